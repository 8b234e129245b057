// Package servicequotas is Service Quotas of the local cloud: the values of the
// quotas that the other services really enforce. It knows no others, so that
// nobody plans by a number that nothing here holds to.
package servicequotas

import (
	"context"
	"fmt"
	"strings"

	"github.com/fairlead/fairlead/local/gateway"
)

// Quota is one quota of the account.
type Quota struct {
	ServiceCode, ServiceName string // "ec2", "Amazon Elastic Compute Cloud (Amazon EC2)"
	QuotaCode, QuotaName     string // "L-1216C47A"
	Value                    float64
}

// Standard is the quota on the vCPUs of On-Demand instances of the usual
// families that run at once.
func Standard(vcpus int) Quota {
	return Quota{
		ServiceCode: "ec2", ServiceName: "Amazon Elastic Compute Cloud (Amazon EC2)",
		QuotaCode: "L-1216C47A", QuotaName: "Running On-Demand Standard (A, C, D, H, I, M, R, T, Z) instances", Value: float64(vcpus),
	}
}

// Concurrency is the quota on invocations of functions at once.
func Concurrency(executions int) Quota {
	return Quota{ServiceCode: "lambda", ServiceName: "AWS Lambda", QuotaCode: "L-B99A9384", QuotaName: "Concurrent executions", Value: float64(executions)}
}

// Service answers GetServiceQuota.
type Service struct {
	gateway.Service
	region, account string
	quotas          []Quota
}

// New makes the service. It owns nothing that must be closed.
func New(region, account string, quotas ...Quota) *Service {
	s := &Service{region: region, account: account, quotas: quotas}
	s.Service = gateway.Table(map[string]gateway.Operation{"GetServiceQuota": s.get})
	return s
}

// shown is ServiceQuota of the API reference. UsageMetric is left out: AWS
// publishes the use of quotas as metrics, the local cloud does not.
type shown struct {
	ServiceCode, ServiceName string
	QuotaArn                 string
	QuotaCode, QuotaName     string
	Value                    float64
	Unit                     string
	Adjustable, GlobalQuota  bool
	QuotaAppliedAtLevel      string
}

func (s *Service) get(_ context.Context, r *gateway.Request) (any, error) {
	var in struct{ ServiceCode, QuotaCode string }
	if err := r.Decode(&in); err != nil {
		return nil, err
	}
	if in.ServiceCode == "" || in.QuotaCode == "" {
		return nil, &gateway.Error{Code: "IllegalArgumentException", Message: "ServiceCode and QuotaCode are both needed"}
	}
	// The reference names no resource for this action, but AWS's own policies
	// grant it by the quota's ARN (AmazonRedshiftServiceLinkedRolePolicy), so that
	// a grant on the ARN is one, as is a grant on *.
	arn := fmt.Sprintf("arn:aws:servicequotas:%s:%s:%s/%s", s.region, s.account, in.ServiceCode, in.QuotaCode)
	if err := r.Authorize("servicequotas:GetServiceQuota", arn, nil); err != nil {
		return nil, err
	}
	var known []string
	for _, q := range s.quotas {
		if q.ServiceCode == in.ServiceCode && q.QuotaCode == in.QuotaCode {
			return struct{ Quota shown }{shown{
				q.ServiceCode, q.ServiceName, arn, q.QuotaCode, q.QuotaName, q.Value, "None", false, false, "ACCOUNT",
			}}, nil
		}
		known = append(known, q.ServiceCode+"/"+q.QuotaCode)
	}
	return nil, &gateway.Error{Code: "NoSuchResourceException", Message: fmt.Sprintf(
		"The request failed because the specified quota does not exist: the local cloud has no %s/%s, it has %s", in.ServiceCode, in.QuotaCode, strings.Join(known, ", "))}
}
