// Package ssm is the Systems Manager of the local cloud: Command documents,
// Run Command with an agent on each instance that really runs the script, and
// the public parameters that name machine images.
//
// An instance's agent registers when the instance's role allows what the agent
// does: it is asked under that role, as on AWS, so a missing grant leaves the
// instance unregistered here too.
package ssm
