package local

import (
	"context"
	"io"
	"net/http"
	"time"

	"github.com/fairlead/fairlead/local/cfn"
	"github.com/fairlead/fairlead/local/cloudformation"
	"github.com/fairlead/fairlead/local/cloudwatch"
	"github.com/fairlead/fairlead/local/ec2"
	"github.com/fairlead/fairlead/local/elb"
	"github.com/fairlead/fairlead/local/events"
	"github.com/fairlead/fairlead/local/gateway"
	"github.com/fairlead/fairlead/local/host"
	"github.com/fairlead/fairlead/local/iam"
	"github.com/fairlead/fairlead/local/lambda"
	"github.com/fairlead/fairlead/local/s3"
	"github.com/fairlead/fairlead/local/servicequotas"
	"github.com/fairlead/fairlead/local/ssm"
	"github.com/fairlead/fairlead/local/states"
	"github.com/fairlead/fairlead/local/sts"
)

// assemble makes the services and puts them behind one front.
func (c *Cloud) assemble(runtimeAPI string) (http.Handler, error) {
	f := c.config
	c.store = iam.NewStore(f.Account)
	var err error
	c.s3, err = s3.New(s3.Config{Region: f.Region, Owner: f.Account, Meta: c.path("s3"), Directory: c.bucketDir})
	if err != nil {
		return nil, err
	}
	c.host, err = host.New(host.Config{
		Dir: c.path("host"), Registry: f.Registry, Endpoint: c.endpoint, Region: f.Region, Account: f.Account,
		Scale: f.CPUScale, Ports: f.Ports, Credentials: c.instanceCredentials,
	})
	if err != nil {
		return nil, err
	}
	c.ec2 = ec2.New(ec2.Config{
		Account: f.Account, Region: f.Region, Host: c.host, Roles: c.store,
		Delays: ec2.Delays{Boot: f.Delays.Boot, Shutdown: f.Delays.Shutdown}, VCPUs: f.Quotas.VCPUs,
	})
	c.elb = elb.New(elb.Config{Account: f.Account, Region: f.Region, Network: network{c.ec2}, Addresses: c.host, Provisioning: f.Delays.LoadBalancer})
	c.ssm = ssm.New(ssm.Config{
		Account: f.Account, Region: f.Region, Machines: c.ec2, Roles: c.store, Parameters: ec2.PublicParameters(f.Region),
		Delays: ssm.Delays{Registration: f.Delays.Registration},
	})
	c.lambda = lambda.New(lambda.Config{
		Dir: c.path("lambda"), Region: f.Region, Account: f.Account, Endpoint: c.endpoint, RuntimeAPI: runtimeAPI,
		Roles: c.store, Objects: objects{c.s3}, Log: f.Log, Concurrency: f.Concurrency,
	})
	c.events = events.New(events.Config{Account: f.Account, Region: f.Region, Target: target{c.lambda}, Undelivered: func(rule, target string, err error) {
		f.Log.Warn("event not delivered", "rule", rule, "target", target, "error", err)
	}})
	c.states = states.New(states.Config{Account: f.Account, Region: f.Region, Invoker: invoker{c.lambda}, Authorizer: c.store, Publish: c.publish})
	c.cloudwatch = cloudwatch.New(cloudwatch.Config{Instances: instances{c.ec2}})
	c.engine = &cfn.Engine{Region: f.Region, Account: f.Account, Zones: ec2.Zones(f.Region), Types: cfn.Types(cfn.Services{
		IAM: c.store, Lambda: c.lambda, States: c.states, S3: c.s3, Events: c.events, EC2: c.ec2, SSM: c.ssm,
	}, f.Region, f.Account)}

	g := gateway.New(c.store, f.Region)
	g.Register("sts", sts.New(c.store))
	g.Register("s3", c.s3)
	g.Register("ec2", c.ec2)
	g.Register("elasticloadbalancing", c.elb)
	g.Register("ssm", c.ssm)
	g.Register("lambda", c.lambda)
	g.Register("states", gateway.Table(c.states.Operations()))
	g.Register("monitoring", c.cloudwatch)
	g.Register("cloudformation", cloudformation.New(cloudformation.Config{Region: f.Region, Account: f.Account, Stacks: c.deployed}))
	g.Register("servicequotas", servicequotas.New(f.Region, f.Account, servicequotas.Standard(c.ec2.VCPUQuota()), servicequotas.Concurrency(c.lambda.Concurrency())))
	return g, nil
}

func (c *Cloud) bucketDir(bucket string) string {
	if c.config.BucketDir != nil {
		if dir := c.config.BucketDir(bucket); dir != "" {
			return dir
		}
	}
	return c.path("buckets", bucket)
}

// instanceCredentials are what the metadata service gives an instance.
func (c *Cloud) instanceCredentials(roleARN, session string) (iam.Credentials, error) {
	keys, _, err := c.store.AssumeRole(roleARN, session, "ec2.amazonaws.com", 6*time.Hour)
	return keys, err
}

// publish hands a status change of an execution to the event bus.
func (c *Cloud) publish(e states.Event) {
	c.events.Publish(events.Event{Source: e.Source, DetailType: e.DetailType, Resources: e.Resources, Time: e.Time, Detail: e.Detail})
}

// The rest of this file fits one service to the interface of another.

type objects struct{ s *s3.Service }

var _ lambda.Objects = objects{}

func (o objects) Get(_ context.Context, bucket, key string) (io.ReadCloser, error) {
	f, _, err := o.s.Open(bucket, key)
	return f, err
}

type invoker struct{ s *lambda.Service }

var _ states.Invoker = invoker{}

func (i invoker) Invoke(ctx context.Context, functionARN string, payload []byte) (states.InvokeResult, error) {
	r, err := i.s.Invoke(ctx, lambda.Invocation{Function: functionARN, Payload: payload})
	if err != nil {
		return states.InvokeResult{}, err
	}
	return states.InvokeResult{StatusCode: http.StatusOK, ExecutedVersion: "$LATEST", FunctionError: r.FunctionError, Payload: r.Payload}, nil
}

type target struct{ s *lambda.Service }

var _ events.Target = target{}

func (t target) InvokeAsync(functionARN string, payload []byte, service, sourceARN string) error {
	_, err := t.s.InvokeAsync(lambda.Invocation{Function: functionARN, Payload: payload, Source: lambda.Source{Service: service, ARN: sourceARN}})
	return err
}

type instances struct{ s *ec2.Service }

var _ cloudwatch.Instances = instances{}

func (i instances) Live() []cloudwatch.Instance {
	var live []cloudwatch.Instance
	for _, m := range i.s.Machines() {
		used, cores := m.Host.CPU()
		live = append(live, cloudwatch.Instance{ID: m.ID, Used: used, Cores: cores})
	}
	return live
}

type network struct{ s *ec2.Service }

var _ elb.Network = network{}

func (n network) Instance(id string) (elb.Instance, bool) {
	at, ok := n.s.Locate(id)
	return elb.Instance{State: at.State, VPC: at.VPC, Zone: at.Zone, Addr: at.Addr}, ok
}

func (n network) Subnet(id string) (elb.Subnet, bool) {
	found, ok := n.s.Subnet(id)
	return elb.Subnet{VPC: found.VPC, Zone: found.Zone}, ok
}

func (n network) SecurityGroup(id string) (vpc string, ok bool) { return n.s.SecurityGroupVPC(id) }

func (n network) HasVPC(id string) bool { return n.s.HasVPC(id) }
