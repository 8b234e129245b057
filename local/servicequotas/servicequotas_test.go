package servicequotas_test

import (
	"errors"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/servicequotas"
	"github.com/aws/aws-sdk-go-v2/service/servicequotas/types"
	"github.com/aws/smithy-go"

	"github.com/fairlead/fairlead/local/gateway"
	"github.com/fairlead/fairlead/local/iam"
	localquotas "github.com/fairlead/fairlead/local/servicequotas"
)

const (
	region  = "eu-west-1"
	account = "123456789012"
)

// newCloud is the service behind a gateway; client makes a client with keys.
func newCloud(t *testing.T) (store *iam.Store, client func(iam.Credentials) *servicequotas.Client) {
	t.Helper()
	store = iam.NewStore(account)
	g := gateway.New(store, region)
	g.Register("servicequotas", localquotas.New(region, account, localquotas.Standard(32), localquotas.Concurrency(10)))
	server := httptest.NewServer(g)
	t.Cleanup(server.Close)
	return store, func(k iam.Credentials) *servicequotas.Client {
		return servicequotas.NewFromConfig(aws.Config{
			Region: region, BaseEndpoint: aws.String(server.URL), RetryMaxAttempts: 1,
			Credentials: credentials.NewStaticCredentialsProvider(k.AccessKeyID, k.SecretAccessKey, k.SessionToken),
		})
	}
}

func ask(service, quota string) *servicequotas.GetServiceQuotaInput {
	return &servicequotas.GetServiceQuotaInput{ServiceCode: aws.String(service), QuotaCode: aws.String(quota)}
}

func TestQuotas(t *testing.T) {
	store, client := newCloud(t)
	c := client(store.Operator())
	out, err := c.GetServiceQuota(t.Context(), ask("ec2", "L-1216C47A"))
	if err != nil {
		t.Fatal(err)
	}
	q := out.Quota
	if *q.Value != 32 || *q.QuotaName != "Running On-Demand Standard (A, C, D, H, I, M, R, T, Z) instances" || *q.Unit != "None" ||
		*q.QuotaArn != "arn:aws:servicequotas:eu-west-1:123456789012:ec2/L-1216C47A" || q.QuotaAppliedAtLevel != types.AppliedLevelEnumAccount || q.UsageMetric != nil {
		t.Errorf("%+v", q)
	}
	if out, err = c.GetServiceQuota(t.Context(), ask("lambda", "L-B99A9384")); err != nil || *out.Quota.Value != 10 || *out.Quota.ServiceName != "AWS Lambda" {
		t.Errorf("%+v, %v", out, err)
	}
}

func TestWhatThereIsNot(t *testing.T) {
	store, client := newCloud(t)
	c := client(store.Operator())
	var none *types.NoSuchResourceException
	if _, err := c.GetServiceQuota(t.Context(), ask("ec2", "L-0263D0A3")); !errors.As(err, &none) || !strings.Contains(none.ErrorMessage(), "it has ec2/L-1216C47A, lambda/L-B99A9384") {
		t.Errorf("an unknown quota: %v", err)
	}
	var illegal *types.IllegalArgumentException
	if _, err := c.GetServiceQuota(t.Context(), ask("", "L-0263D0A3")); !errors.As(err, &illegal) {
		t.Errorf("no service: %v", err)
	}
	var api smithy.APIError
	in := ask("ec2", "L-1216C47A")
	in.ContextId = aws.String("x")
	if _, err := c.GetServiceQuota(t.Context(), in); !errors.As(err, &api) || !strings.Contains(api.ErrorMessage(), `"ContextId"`) {
		t.Errorf("a context: %v", err)
	}
	if _, err := c.ListServiceQuotas(t.Context(), &servicequotas.ListServiceQuotasInput{ServiceCode: aws.String("ec2")}); !errors.As(err, &api) || api.ErrorCode() != "UnknownOperationException" {
		t.Errorf("another operation: %v", err)
	}
}

func TestPermission(t *testing.T) {
	store, client := newCloud(t)
	for _, row := range []struct {
		name, resource string
		allowed        bool
	}{
		{"exact", "arn:aws:servicequotas:eu-west-1:123456789012:ec2/L-1216C47A", true},
		{"any", "*", true},
		{"other", "arn:aws:servicequotas:eu-west-1:123456789012:lambda/L-B99A9384", false},
	} {
		trust, err := iam.ParseDocument([]byte(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"sts:AssumeRole","Principal":{"Service":"lambda.amazonaws.com"}}]}`))
		if err != nil {
			t.Fatal(err)
		}
		policy, err := iam.ParseDocument([]byte(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"servicequotas:GetServiceQuota","Resource":"` + row.resource + `"}]}`))
		if err != nil {
			t.Fatal(err)
		}
		if err := store.PutRole(iam.Role{Name: row.name, Trust: trust, Policies: map[string]iam.Document{"p": policy}}); err != nil {
			t.Fatal(err)
		}
		keys, _, err := store.AssumeRole("arn:aws:iam::123456789012:role/"+row.name, "test", "lambda.amazonaws.com", time.Hour)
		if err != nil {
			t.Fatal(err)
		}
		_, err = client(keys).GetServiceQuota(t.Context(), ask("ec2", "L-1216C47A"))
		var denied *types.AccessDeniedException
		if row.allowed != (err == nil) || !row.allowed && !errors.As(err, &denied) {
			t.Errorf("a grant on %s: %v, want allowed %v", row.resource, err, row.allowed)
		}
	}
}
