package cfn

import (
	"context"
	"fmt"
	"time"

	"github.com/fairlead/fairlead/local/lambda"
)

// Lambda is the part of the function service that templates use.
type Lambda interface {
	Create(ctx context.Context, f lambda.Function) (arn string, err error)
	Delete(name string) error
	Permit(function string, p lambda.Permission) error
	Forbid(function, id string) error
	AddLogGroup(name string)
	RemoveLogGroup(name string)
}

type functionProperties struct {
	FunctionName string
	Description  string
	Role         string `require:"true"`
	Handler      string `require:"true"`
	Runtime      string `require:"true"`
	PackageType  string
	Timeout      int
	Code         struct {
		S3Bucket string `require:"true"`
		S3Key    string `require:"true"`
	} `require:"true"`
	Environment struct {
		Variables map[string]string
	}
	TracingConfig struct {
		Mode string
	} `noeffect:"the trace's permissions are asked and its header is passed on, but no trace is kept"`
	LoggingConfig struct {
		LogGroup  string
		LogFormat string
	}
	MemorySize    int        `noeffect:"memory is not limited here, and the CPU of a function does not depend on it"`
	Architectures []string   `noeffect:"a function is a program of this machine, whatever its architecture"`
	VpcConfig     *vpcConfig `noeffect:"functions share this machine's network; only the permissions for their interfaces are asked"`
	Tags          []Tag      `noeffect:"nothing here reads the tags of this type"`
}

type vpcConfig struct {
	SubnetIds        []string `require:"true"`
	SecurityGroupIds []string `require:"true"`
}

type permissionProperties struct {
	FunctionName  string `require:"true"`
	Action        string `require:"true"`
	Principal     string `require:"true"`
	SourceArn     string
	SourceAccount string
}

func lambdaTypes(s Lambda) map[string]Type {
	return map[string]Type{
		"AWS::Lambda::Function": define(Type{Attributes: []string{"Arn"}},
			func(ctx context.Context, c Creation, p functionProperties) (Physical, error) {
				return createFunction(ctx, s, c, p)
			},
			func(_ context.Context, made Physical) error { return s.Delete(made.ID) }),
		"AWS::Lambda::Permission": define(Type{},
			func(_ context.Context, c Creation, p permissionProperties) (Physical, error) {
				id := c.name(100)
				err := s.Permit(p.FunctionName, lambda.Permission{ID: id, Action: p.Action, Principal: p.Principal, SourceARN: p.SourceArn, SourceAccount: p.SourceAccount})
				return Physical{ID: id, Attributes: map[string]any{"function": p.FunctionName}}, err
			},
			func(_ context.Context, made Physical) error { return s.Forbid(made.attribute("function"), made.ID) }),
	}
}

func createFunction(ctx context.Context, s Lambda, c Creation, p functionProperties) (Physical, error) {
	if p.PackageType != "" && p.PackageType != "Zip" {
		return Physical{}, fmt.Errorf("the PackageType %s is not implemented; Zip is", p.PackageType)
	}
	if p.LoggingConfig.LogFormat != "" && p.LoggingConfig.LogFormat != "Text" {
		return Physical{}, fmt.Errorf("the LogFormat %s is not implemented; Text is", p.LoggingConfig.LogFormat)
	}
	f := lambda.Function{
		Name: p.FunctionName, Description: p.Description, Role: p.Role, Handler: p.Handler, Runtime: p.Runtime,
		MemorySize: p.MemorySize, Timeout: time.Duration(p.Timeout) * time.Second, Environment: p.Environment.Variables,
		Architectures: p.Architectures, Tracing: p.TracingConfig.Mode, LogGroup: p.LoggingConfig.LogGroup,
		Code: lambda.Code{Bucket: p.Code.S3Bucket, Key: p.Code.S3Key},
	}
	if f.Name == "" {
		f.Name = c.name(64)
	}
	if p.VpcConfig != nil {
		f.VPC = &lambda.VPC{Subnets: p.VpcConfig.SubnetIds, SecurityGroups: p.VpcConfig.SecurityGroupIds}
	}
	arn, err := s.Create(ctx, f)
	return Physical{ID: f.Name, Attributes: map[string]any{"Arn": arn}}, err
}
