package local

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sts"
)

// TestMain lets the test binary stand in for the programs of instances, and be
// the functions of the tests' templates.
func TestMain(m *testing.M) {
	if code, ok := Applet(os.Args); ok {
		os.Exit(code)
	}
	if os.Getenv("AWS_LAMBDA_RUNTIME_API") != "" {
		lambda.Start(map[string]any{"note": note, "whoami": whoami}[os.Getenv("_HANDLER")])
		return
	}
	os.Exit(m.Run())
}

// note writes its event into the bucket, under the name of its kind.
func note(ctx context.Context, event json.RawMessage) (string, error) {
	cfg, err := config.LoadDefaultConfig(ctx)
	if err != nil {
		return "", err
	}
	var e struct {
		Kind string `json:"detail-type"`
		Key  string
	}
	if err := json.Unmarshal(event, &e); err != nil {
		return "", err
	}
	key := "notes/" + strings.ReplaceAll(e.Kind+e.Key, " ", "-")
	_, err = s3.NewFromConfig(cfg).PutObject(ctx, &s3.PutObjectInput{Bucket: aws.String(os.Getenv("BUCKET")), Key: &key, Body: strings.NewReader(string(event))})
	return key, err
}

// whoami tells which role the function's credentials are of.
func whoami(ctx context.Context) (string, error) {
	cfg, err := config.LoadDefaultConfig(ctx)
	if err != nil {
		return "", err
	}
	out, err := sts.NewFromConfig(cfg).GetCallerIdentity(ctx, &sts.GetCallerIdentityInput{})
	if err != nil {
		return "", err
	}
	return fmt.Sprint(*out.Arn), nil
}
