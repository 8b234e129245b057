// Package sts is the Security Token Service of the local cloud: who am I, and
// sessions of roles whose trust policy names a caller of the account.
package sts

import (
	"context"
	"fmt"
	"regexp"
	"time"

	"github.com/fairlead/fairlead/local/gateway"
	"github.com/fairlead/fairlead/local/iam"
)

// Roles opens sessions. *iam.Store is one.
type Roles interface {
	// AssumeRoleAs returns an *iam.Denied when the role does not exist or its
	// trust policy does not name the caller.
	AssumeRoleAs(c iam.Caller, roleARN, sessionName string, ttl time.Duration) (iam.Credentials, iam.Caller, error)
}

var _ Roles = (*iam.Store)(nil)

// New returns the service. It owns nothing that must be closed.
func New(roles Roles) gateway.Service {
	return gateway.Table(map[string]gateway.Operation{
		"GetCallerIdentity": getCallerIdentity,
		"AssumeRole": func(_ context.Context, r *gateway.Request) (any, error) {
			return assumeRole(roles, r)
		},
	})
}

// AWS asks for no permission here: whoever can sign may know who they are.
func getCallerIdentity(_ context.Context, r *gateway.Request) (any, error) {
	if err := r.Decode(&struct{}{}); err != nil {
		return nil, err
	}
	return struct {
		UserID  string `json:"UserId"`
		Account string
		Arn     string
	}{r.Caller.UserID, r.Caller.Account, r.Caller.ARN}, nil
}

var (
	validSession = regexp.MustCompile(`^[\w+=,.@-]{2,64}$`)
	validRole    = regexp.MustCompile(`^arn:aws:iam::\d{12}:role/.+$`)
)

// maxDuration is a role's MaxSessionDuration in seconds, which no template here
// can raise, and the most that a role may ask for another.
const maxDuration = 3600

func assumeRole(roles Roles, r *gateway.Request) (any, error) {
	var in struct {
		RoleArn         string
		RoleSessionName string
		DurationSeconds *int // 900 to maxDuration, by default 3600
	}
	if err := r.Decode(&in); err != nil {
		return nil, err
	}
	seconds := 3600
	if in.DurationSeconds != nil {
		seconds = *in.DurationSeconds
	}
	switch {
	case !validRole.MatchString(in.RoleArn):
		return nil, invalid("%q is not the ARN of a role", in.RoleArn)
	case !validSession.MatchString(in.RoleSessionName):
		return nil, invalid("RoleSessionName %q is not 2 to 64 of A-Z a-z 0-9 _+=,.@-", in.RoleSessionName)
	case seconds < 900 || seconds > 43200:
		return nil, invalid("DurationSeconds is %d, it must be 900 to 43200", seconds)
	case seconds > maxDuration:
		return nil, invalid("The requested DurationSeconds exceeds the MaxSessionDuration set for this role.")
	}
	if err := r.Authorize("sts:AssumeRole", in.RoleArn, iam.Keys{"sts:RoleSessionName": {in.RoleSessionName}}); err != nil {
		return nil, err
	}
	credentials, caller, err := roles.AssumeRoleAs(r.Caller, in.RoleArn, in.RoleSessionName, time.Duration(seconds)*time.Second)
	if err != nil {
		return nil, err
	}
	type shownCredentials struct {
		AccessKeyID     string `json:"AccessKeyId"`
		SecretAccessKey string
		SessionToken    string
		Expiration      time.Time
	}
	type assumedUser struct {
		AssumedRoleID string `json:"AssumedRoleId"`
		Arn           string
	}
	return struct {
		Credentials     shownCredentials
		AssumedRoleUser assumedUser
	}{
		shownCredentials{credentials.AccessKeyID, credentials.SecretAccessKey, credentials.SessionToken, credentials.Expires},
		assumedUser{caller.UserID, caller.ARN},
	}, nil
}

func invalid(format string, args ...any) error {
	return &gateway.Error{Code: "ValidationError", Message: fmt.Sprintf(format, args...)}
}
