// Package lambda runs functions as AWS Lambda does: a function is a zip with an
// executable named bootstrap, each execution environment is one process that
// polls the Runtime API, handles one event at a time and stays warm for the next.
//
//	Invoke ──► pool ──► sandbox (process) ──► GET  …/invocation/next
//	                        ▲                 POST …/invocation/<id>/response | error
//	                        └── log pipe ──► logs/<function>.log
//
// Deviations from AWS, all of them deliberate: memory is not limited and a
// function's share of CPU does not depend on it; arm64 functions run as
// programs of the host; the processes see the host's file system.
package lambda
