package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/servicequotas"
	"github.com/aws/smithy-go"

	"github.com/fairlead/fairlead/internal/fleet"
	"github.com/fairlead/fairlead/internal/steps"
)

// standardQuota is "Running On-Demand Standard (A, C, D, H, I, M, R, T, Z)
// instances", in vCPUs.
const standardQuota = "L-1216C47A"

// account is EC2, Lambda and Service Quotas as Plan asks them.
type account struct {
	ec2    *fleet.Client
	lambda *lambda.Client
	quotas *servicequotas.Client
}

var _ steps.Account = account{}

func newAccount(cfg aws.Config) account {
	return account{fleet.New(cfg), lambda.NewFromConfig(cfg), servicequotas.NewFromConfig(cfg)}
}

func (a account) VCPUQuota(ctx context.Context) (int, error) {
	out, err := a.quotas.GetServiceQuota(ctx, &servicequotas.GetServiceQuotaInput{
		ServiceCode: aws.String("ec2"), QuotaCode: aws.String(standardQuota),
	})
	if err != nil {
		return 0, inShort(err)
	}
	if out.Quota == nil || out.Quota.Value == nil {
		return 0, errors.New("no value in the answer of Service Quotas")
	}
	return int(*out.Quota.Value), nil
}

// ConcurrentExecutions is what is left when other functions of the account have
// reserved theirs: none of this system's functions has concurrency reserved.
func (a account) ConcurrentExecutions(ctx context.Context) (int, error) {
	out, err := a.lambda.GetAccountSettings(ctx, &lambda.GetAccountSettingsInput{})
	if err != nil {
		return 0, inShort(err)
	}
	if out.AccountLimit == nil || out.AccountLimit.UnreservedConcurrentExecutions == nil {
		return 0, errors.New("no limit in the answer of Lambda")
	}
	return int(*out.AccountLimit.UnreservedConcurrentExecutions), nil
}

func (a account) Offered(ctx context.Context, types, zones []string) (map[string][]string, error) {
	found, err := a.ec2.Offered(ctx, types, zones)
	return found, inShort(err)
}

func (a account) TypeFacts(ctx context.Context, types []string) (map[string]steps.TypeFacts, error) {
	found, err := a.ec2.Types(ctx, types)
	facts := make(map[string]steps.TypeFacts, len(found))
	for name, f := range found {
		facts[name] = steps.TypeFacts(f)
	}
	return facts, inShort(err)
}

func (a account) Live(ctx context.Context) ([]steps.LiveInstance, error) {
	found, err := a.ec2.Live(ctx)
	live := make([]steps.LiveInstance, 0, len(found))
	for _, i := range found {
		live = append(live, steps.LiveInstance(i))
	}
	return live, inShort(err)
}

// inShort leaves the service's code of an SDK error, which is all that a line
// of a check has room for.
func inShort(err error) error {
	var api smithy.APIError
	if !errors.As(err, &api) {
		return err
	}
	return &refusal{api.ErrorCode(), err}
}

type refusal struct {
	code string
	err  error
}

func (r *refusal) Error() string { return fmt.Sprintf("AWS answered %s", r.code) }
func (r *refusal) Unwrap() error { return r.err }
