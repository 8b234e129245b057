// Package cfn deploys CloudFormation templates (JSON) onto the services of the
// local cloud. It does what CloudFormation does with the part of the language
// that it knows, and refuses a template that holds anything else before it
// creates the first resource, with all problems at once.
//
//	Parse ──► check (types, properties, intrinsics, references) ──► order ──► create ──► outputs
//
// A resource type is an entry in a table (see Type). Its properties are the
// fields of a Go struct; a property that is accepted without effect carries the
// reason in its tag, and every deployment lists the ones that it met.
package cfn
