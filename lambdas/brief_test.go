package main

import (
	"errors"
	"testing"

	"github.com/fairlead/fairlead/internal/steps"
)

func TestBriefErrorsKeepTheCallAndThePermission(t *testing.T) {
	for _, tt := range []struct{ why, long, want string }{
		{"S3", "list runs/r/: operation error S3: ListObjectsV2, https response error StatusCode: 403, RequestID: bf2cc043, HostID: x=, api error AccessDenied: User: arn:aws:sts::1:assumed-role/a/b is not authorized to perform: s3:ListBucket on resource: arn:aws:s3:::b",
			"merge: list runs/r/: S3 ListObjectsV2: AccessDenied: not authorized to perform: s3:ListBucket on resource: arn:aws:s3:::b"},
		{"EC2 says it twice", "operation error EC2: RunInstances, https response error StatusCode: 403, RequestID: r, api error UnauthorizedOperation: You are not authorized to perform this operation. User: arn:aws:sts::1:assumed-role/a/b is not authorized to perform: ec2:RunInstances",
			"merge: EC2 RunInstances: UnauthorizedOperation: not authorized to perform: ec2:RunInstances"},
		{"an error type of the service", "operation error SSM: SendCommand, https response error StatusCode: 400, RequestID: r, AccessDeniedException: User: u is not authorized to perform: ssm:SendCommand",
			"merge: SSM SendCommand: AccessDeniedException: not authorized to perform: ssm:SendCommand"},
		{"what is no call", "the tally is not JSON", "merge: the tally is not JSON"},
	} {
		if got := brief(steps.Named("merge", errors.New(tt.long))); got.Error() != tt.want {
			t.Errorf("%s: %q, want %q", tt.why, got, tt.want)
		}
	}
	named := &steps.SetupFailed{Node: "i-1", Group: "g", Reason: "r"}
	if got := brief(named); got != error(named) {
		t.Errorf("an error with a name became %T", got)
	}
}
