package bench

import "time"

// RunRecord is runs/<run>/plan.json: the plan as parsed, and all that later
// steps need and must not look up again, so that a retried step repeats
// exactly what it did.
type RunRecord struct {
	Run       string    `json:"run"`
	Execution string    `json:"execution"` // ARN; a record of another execution is never reused
	Stack     string    `json:"stack"`
	StartedAt time.Time `json:"startedAt"`
	Deadline  time.Time `json:"deadline"` // no trial begins after it
	Expiry    time.Time `json:"expiry"`   // instances end themselves and the sweep ends them
	T0Lead    Duration  `json:"t0Lead"`
	Plan      Plan      `json:"plan"`
	Groups    []Group   `json:"groups"`
	Trials    []Trial   `json:"trials"`
	Estimate  Cost      `json:"estimate"`

	Document      string           `json:"document"` // SSM document
	Subnets       []string         `json:"subnets"`
	BalancerGroup string           `json:"balancerGroup"` // security group of a load balancer
	Images        map[string]Image `json:"images"`        // by architecture
	Checks        []Check          `json:"checks"`        // what Plan found out of the account
	Locked        bool             `json:"locked"`        // the run holds the stack's RunLock
}

// Image is what instances of one architecture are launched from and run.
type Image struct {
	NodeTemplate  LaunchTemplate `json:"nodeTemplate"`
	ProxyTemplate LaunchTemplate `json:"proxyTemplate"`
	Backend       Artifact       `json:"backend"` // program of the nodes
	Proxy         Artifact       `json:"proxy"`   // program of the balancer
}

// Template is what an instance of the role is launched from.
func (i Image) Template(r Role) LaunchTemplate {
	if r == RoleProxy {
		return i.ProxyTemplate
	}
	return i.NodeTemplate
}

// Program is what an instance of the role runs.
func (i Image) Program(r Role) Artifact {
	if r == RoleProxy {
		return i.Proxy
	}
	return i.Backend
}

// Check is one thing that Plan asked of the account.
type Check struct {
	What   string      `json:"what"` // "vCPU quota", "t2.micro in us-east-1a"
	Status CheckStatus `json:"status"`
	Detail string      `json:"detail"` // with numbers; why, if unknown
}

// CheckStatus is what came of a check.
type CheckStatus string

// What comes of a check. What an account may not be asked is unknown, and no failure.
const (
	CheckOK      CheckStatus = "ok"
	CheckShort   CheckStatus = "short"
	CheckUnknown CheckStatus = "unknown"
)

// ImageOf is what the instances of a group are launched from and run.
func (r RunRecord) ImageOf(group string) Image {
	for _, g := range r.Groups {
		if g.Name == group {
			return r.Images[g.Arch]
		}
	}
	return Image{}
}

// LaunchTemplate is an EC2 launch template at one version.
type LaunchTemplate struct {
	ID      string `json:"id"`
	Version string `json:"version"`
}

// Artifact is a program in S3.
type Artifact struct {
	URI    string `json:"uri"` // s3://bucket/key
	SHA256 string `json:"sha256"`
}

// Group is what is launched and set up together: a cluster, or the proxy.
type Group struct {
	Name         string `json:"group"`
	Role         Role   `json:"role"`
	InstanceType string `json:"instanceType"`
	Arch         string `json:"arch"` // of the type
	Count        int    `json:"count"`
}

// Role is what an instance is for.
type Role string

// The roles, as in the tag fairlead:role.
const (
	RoleNode  Role = "node"
	RoleProxy Role = "proxy"
)

// ProxyGroup is the group of the balancer's instance. No cluster may have this name.
const ProxyGroup = "proxy"

// ALBGroup is the group of the load balancer in tags and receipts; no cluster's name either.
const ALBGroup = "alb"

// The tags of everything a run starts.
const (
	TagStack  = "fairlead:stack"
	TagRun    = "fairlead:run"
	TagGroup  = "fairlead:group"
	TagRole   = "fairlead:role"
	TagExpiry = "fairlead:expiry" // RFC 3339, UTC
)

// Ports of the programs on the instances.
const (
	NodePort       = 8000
	ProxyPort      = 8000
	ProxyAdminPort = 8001
	ALBPort        = 8000 // of the first listener; each further alb target has the next
)

// Instance is one running EC2 instance.
type Instance struct {
	ID               string    `json:"id"`
	Group            string    `json:"group"`
	Role             Role      `json:"role"`
	Type             string    `json:"type"`
	PrivateIP        string    `json:"privateIp,omitempty"`
	AvailabilityZone string    `json:"availabilityZone,omitempty"`
	Launched         time.Time `json:"launched"`
}

// Fleet is runs/<run>/fleet.json.
type Fleet struct {
	Instances []Instance `json:"instances"`
}

// Balancer is runs/<run>/balancer.json: the run's Application Load Balancer.
type Balancer struct {
	ARN       string     `json:"arn"`
	Name      string     `json:"name"`
	DNSName   string     `json:"dnsName"`
	Created   time.Time  `json:"created"`
	Listeners []Listener `json:"listeners"`        // one an alb target of the plan, in its order
	Failed    string     `json:"failed,omitempty"` // why the rest will not be created
}

// Listener is the way in for one algorithm.
type Listener struct {
	ARN          string            `json:"arn"`
	Port         int               `json:"port"`
	Algorithm    string            `json:"algorithm"`
	TargetGroups map[string]string `json:"targetGroups"` // cluster → ARN
}

// Receipt is runs/<run>/receipt.json: what was ended, when, what is left, and
// what stays because it is the stack's and not the run's.
type Receipt struct {
	Run   string    `json:"run"`
	By    string    `json:"by"` // teardown or sweep
	At    time.Time `json:"at"`
	Ended []Ended   `json:"ended"`
	Left  []string  `json:"left"` // never null
	Kept  []Kept    `json:"kept,omitempty"`
}

// Kept is a resource that a run used and that outlives it.
type Kept struct {
	ID     string `json:"id"`
	Kind   string `json:"kind"` // "security-group"
	Reason string `json:"reason"`
}

// Ended is one resource that is gone.
type Ended struct {
	ID       string    `json:"id"`
	Kind     string    `json:"kind"` // one of the Kinds
	Group    string    `json:"group"`
	Type     string    `json:"type,omitempty"` // of an instance
	Launched time.Time `json:"launched"`
	Ended    time.Time `json:"ended"`
}

// Kinds of what a run starts and ends.
const (
	KindInstance     = "instance"
	KindLoadBalancer = "load-balancer"
	KindListener     = "listener"
	KindTargetGroup  = "target-group"
)
