// Package ec2 is the Elastic Compute Cloud of the local cloud: launch
// templates, instances with their states and tags, and as much of the network
// as they name.
//
// Instances are run by local/host. A call is authorised as EC2 does it: once
// for each resource that it touches or makes, each with its own condition keys
// (Service Authorization Reference, "Actions, resources, and condition keys for
// Amazon EC2"). Networks have no effect on packets: an instance's private
// address is a loopback address outside of its subnet's CIDR, and security
// groups are kept and shown, not enforced.
package ec2
