// Package elb is Elastic Load Balancing (API version 2015-12-01) of the local
// cloud: internal Application Load Balancers with HTTP listeners, rules on
// paths, and target groups of instances.
//
//	CreateLoadBalancer ─► balancer ─┬─ listener :8000 ─ rules ─► group ─► targets
//	(a loopback address)            └─ listener :8001 ─ rules ─► group ─► targets
//	                                     front, proxy             pool     health
//
// A load balancer takes a loopback address of its own and really listens at the
// ports of its listeners once it is active, and health checks are really made.
// There is no DNS here: DNSName is the address itself. AWS has an address in
// each zone; here one stands for all, and load is always spread over zones.
//
// # What is decided here because AWS does not publish it
//
//   - Anomalies (anomaly.go): which targets get less weight, and how much.
//   - With no healthy target, requests go to all that are initial or unhealthy.
//   - Round robin counts over the eligible targets; one that becomes healthy
//     comes in at its place in the order of registration.
//   - Of several targets with the fewest requests in flight, one is drawn.
//   - A request to a target over a connection that the target has just closed is
//     sent again over a new one if it may be (GET without a body): that is what
//     Go's client does. AWS may answer 502.
//
// # What is not here
//
// Refused by name: internet-facing load balancers, other types, HTTPS, other
// conditions and actions than path-pattern, forward (to one group) and
// fixed-response, attributes away from their defaults but those that
// attributes.go lists, targets other than instances. WebSocket upgrades are
// answered with 501. Limits are those that a request states (names, values,
// tags), not an account's quotas. A load balancer makes no network interfaces:
// its subnets and security groups can be deleted under it. Rules of security
// groups stop no packet here, to a load balancer or from it. Informational
// answers of a target (1xx) and trailers are not passed on.
//
// # Permissions
//
// As in the Service Authorization Reference, "Actions, resources, and condition
// keys for AWS Elastic Load Balancing V2": once for each resource, tags in a
// Create call as AddTags with elasticloadbalancing:CreateAction. Besides, AWS
// calls EC2 in the caller's name (user guide, "Elastic Load Balancing API
// permissions"), so the caller needs, on "*":
//
//	CreateLoadBalancer  ec2:Describe{AccountAttributes,Addresses,InternetGateways,SecurityGroups,Subnets,Vpcs}
//	CreateTargetGroup   ec2:Describe{InternetGateways,Vpcs}
//	RegisterTargets     ec2:Describe{Instances,InternetGateways,Subnets,Vpcs}
//
// and iam:CreateServiceLinkedRole with the first load balancer of an account.
// Some of it AWS asks only then, it is said (kubernetes/cloud-provider-aws#59);
// the guide makes no such difference, and neither does this package.
package elb
