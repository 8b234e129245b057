package ec2

// DefaultVCPUs is the quota of an account that says nothing about it. New
// accounts of AWS may have as few as 5.
const DefaultVCPUs = 64

// VCPUQuota is the value of the quota "Running On-Demand Standard (A, C, D, H,
// I, M, R, T, Z) instances" (L-1216C47A), in vCPUs.
func (s *Service) VCPUQuota() int { return s.config.VCPUs }

// admit says how many instances of a launch the quota admits. It counts vCPUs
// of instances that are pending or running; every type that is known here is a
// Standard one. As with capacity, a launch gets as many as there is room for,
// at least its minimum. The error's words are EC2's. mu is held.
func (s *Service) admit(q *request) (count int, err error) {
	room := s.config.VCPUs
	for _, i := range s.instances {
		if i.state == pending || i.state == running {
			room -= i.kind.VCPUs
		}
	}
	count = min(q.count, max(0, room/q.kind.VCPUs))
	if count < q.minimum {
		return 0, fail("VcpuLimitExceeded", "You have requested more vCPU capacity than your current vCPU limit of %d allows for the instance bucket that the specified instance type belongs to. Please visit http://aws.amazon.com/contact-us/ec2-request to request an adjustment to this limit.", s.config.VCPUs)
	}
	return count, nil
}
