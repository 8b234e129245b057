package cfn

import "maps"

// Services are what resources are created in.
type Services struct {
	IAM    IAM
	Lambda Lambda
	States States
	S3     S3
	Events Events
	EC2    EC2
	SSM    SSM
}

// Types is the table of all resource types that the local cloud has.
func Types(s Services, region, account string) map[string]Type {
	all := map[string]Type{}
	for _, some := range []map[string]Type{
		iamTypes(s.IAM), lambdaTypes(s.Lambda), statesTypes(s.States), s3Types(s.S3), eventsTypes(s.Events),
		ec2Types(s.EC2), ssmTypes(s.SSM), declaredTypes(s.Lambda, region, account),
	} {
		maps.Copy(all, some)
	}
	return all
}
