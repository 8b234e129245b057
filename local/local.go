// Package local is a small AWS on one machine. Start brings it up, Deploy
// creates the resources of a CloudFormation template, and every AWS SDK or CLI
// that is pointed at Endpoint finds the services below, with signatures and
// permissions checked.
//
//	                    ┌─ iam, sts      who calls, and what may they
//	clients ─► gateway ─┼─ states ──► lambda ──► processes ─┐
//	   ▲                ├─ ec2, elb ► host ────► processes ─┤
//	   │                ├─ ssm, s3, cloudwatch, events      │
//	   └────────────────┴───────────────────────────────────┘
//
// It knows AWS and nothing of the programs that run on it. What it does not
// implement it refuses, when a template is deployed or when a call is made.
package local

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"time"

	"github.com/fairlead/fairlead/local/cfn"
	"github.com/fairlead/fairlead/local/cloudwatch"
	"github.com/fairlead/fairlead/local/ec2"
	"github.com/fairlead/fairlead/local/elb"
	"github.com/fairlead/fairlead/local/events"
	"github.com/fairlead/fairlead/local/gateway"
	"github.com/fairlead/fairlead/local/host"
	"github.com/fairlead/fairlead/local/iam"
	"github.com/fairlead/fairlead/local/lambda"
	"github.com/fairlead/fairlead/local/s3"
	"github.com/fairlead/fairlead/local/ssm"
	"github.com/fairlead/fairlead/local/states"
)

// Config says where and how a cloud runs. The zero value is a cloud in a
// temporary folder on a free port.
type Config struct {
	Dir     string // of everything that the cloud writes; empty: a temporary one, removed by Close
	Addr    string // of the endpoint; empty: 127.0.0.1 and a free port
	Region  string // empty: us-east-1
	Account string // empty: 000000000000

	// BucketDir says in which folder a bucket's objects lie as plain files;
	// nil, or an empty answer: below Dir.
	BucketDir func(bucket string) string

	// CPUScale is how many of this machine's cores one vCPU of an instance is;
	// 0 means 1.
	CPUScale float64
	// Ports are the ports that instances will listen on: Start refuses one that
	// is taken on every address of this machine.
	Ports []int
	// Registry notes what the kernel does not clean up after a killed cloud;
	// empty: the user's.
	Registry string

	Concurrency int // Lambda invocations at once in the account; 0 means 100
	Quotas      Quotas
	Delays      Delays
	Log         *slog.Logger // nil: nothing is logged
}

// Delays stretch what is instant here to what it takes on AWS. Zero is instant.
type Delays struct {
	Boot         time.Duration // from pending to running
	Shutdown     time.Duration // from shutting-down to terminated
	Registration time.Duration // from running to Online in SSM
	LoadBalancer time.Duration // from provisioning to active
}

// Stack is a deployed template: outputs, resources, and what of it has no
// effect on this machine.
type Stack = cfn.Stack

// Cloud is a running local AWS.
type Cloud struct {
	config   Config
	endpoint string
	store    *iam.Store
	engine   *cfn.Engine

	s3         *s3.Service
	lambda     *lambda.Service
	states     *states.Service
	events     *events.Service
	ec2        *ec2.Service
	elb        *elb.Service
	ssm        *ssm.Service
	cloudwatch *cloudwatch.Service
	host       *host.Host

	front, runtime *http.Server
	serving        sync.WaitGroup
	release        func() error // gives the folder back

	mu      sync.Mutex
	stacks  map[string]*Stack
	closing sync.Once
	closed  error
}

// Start brings a cloud up. Leftovers of clouds that were killed are removed
// first.
func Start(ctx context.Context, c Config) (_ *Cloud, err error) {
	c.defaults()
	if _, err := clean(ctx, c.Registry); err != nil {
		return nil, fmt.Errorf("clean up after an earlier cloud: %w", err)
	}
	cloud := &Cloud{config: c, stacks: map[string]*Stack{}}
	if err := cloud.takeFolder(); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, cloud.release())
		}
	}()
	front, err := listen(ctx, c.Addr)
	if err != nil {
		return nil, err
	}
	runtime, err := listen(ctx, "127.0.0.1:0")
	if err != nil {
		return nil, errors.Join(err, front.Close())
	}
	cloud.endpoint = "http://" + reachable(front)
	gate, err := cloud.assemble(runtime.Addr().String())
	if err != nil {
		return nil, errors.Join(err, front.Close(), runtime.Close())
	}
	cloud.front = cloud.serve(front, gate)
	cloud.runtime = cloud.serve(runtime, cloud.lambda.RuntimeHandler())
	return cloud, nil
}

func (c *Config) defaults() {
	if c.Addr == "" {
		c.Addr = "127.0.0.1:0"
	}
	if c.Region == "" {
		c.Region = "us-east-1"
	}
	if c.Account == "" {
		c.Account = "000000000000"
	}
	if c.Registry == "" {
		c.Registry = host.DefaultRegistry()
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
}

func listen(ctx context.Context, addr string) (net.Listener, error) {
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("the local cloud cannot listen at %s: %w", addr, err)
	}
	return l, nil
}

// reachable is an address at which this machine's processes find a listener,
// which may be at all addresses.
func reachable(l net.Listener) string {
	a, ok := l.Addr().(*net.TCPAddr)
	if ok && a.IP.IsUnspecified() {
		return net.JoinHostPort("127.0.0.1", strconv.Itoa(a.Port))
	}
	return l.Addr().String()
}

func (c *Cloud) serve(l net.Listener, h http.Handler) *http.Server {
	s := &http.Server{Handler: h, ReadHeaderTimeout: 10 * time.Second, ErrorLog: slog.NewLogLogger(c.config.Log.Handler(), slog.LevelDebug)}
	c.serving.Go(func() {
		if err := s.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			c.config.Log.Error("the local cloud stopped serving", "address", l.Addr().String(), "error", err)
		}
	})
	return s
}

// Endpoint is the URL of all services: AWS_ENDPOINT_URL.
func (c *Cloud) Endpoint() string { return c.endpoint }

// Region is the cloud's one region.
func (c *Cloud) Region() string { return c.config.Region }

// OperatorCredentials may do everything, as an account's owner.
func (c *Cloud) OperatorCredentials() iam.Credentials { return c.store.Operator() }

// Usage lists what the roles grant and how often each grant was used.
func (c *Cloud) Usage() []iam.Grant { return c.store.Usage() }

// Denials lists the calls that somebody was not allowed.
func (c *Cloud) Denials() []iam.Denial { return c.store.Denials() }

// FunctionLog is the file with a function's log. It exists once the function
// has logged.
func (c *Cloud) FunctionLog(name string) string { return c.lambda.LogFile(name) }

// PutAsset writes a file into a bucket, which is created if there is none.
func (c *Cloud) PutAsset(bucket, key, path string) error {
	data, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if err := c.s3.CreateBucket(bucket); err != nil {
		return err
	}
	if err := c.s3.Put(bucket, key, "application/octet-stream", data); err != nil {
		return fmt.Errorf("put s3://%s/%s: %w", bucket, key, err)
	}
	return nil
}

// Kill ends an instance at once, as a failing machine would.
func (c *Cloud) Kill(instanceID string) error {
	if !c.ec2.Kill(instanceID) {
		return fmt.Errorf("no instance %s is running", instanceID)
	}
	return nil
}

// Deploy creates a stack from a template. A template that asks for what is not
// implemented is refused as a whole (cfn.Problems), before anything is created.
func (c *Cloud) Deploy(ctx context.Context, name string, template []byte, parameters map[string]string) (*Stack, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.stacks[name] != nil {
		return nil, &gateway.Error{Code: "AlreadyExistsException", Message: fmt.Sprintf("Stack [%s] already exists", name)}
	}
	s, err := c.engine.Deploy(ctx, name, template, parameters)
	if err != nil {
		return nil, fmt.Errorf("deploy %s: %w", name, err)
	}
	c.stacks[name] = s
	return s, nil
}

// Delete removes a stack's resources.
func (c *Cloud) Delete(ctx context.Context, name string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.stacks[name]
	if s == nil {
		return &gateway.Error{Code: "ValidationError", Message: fmt.Sprintf("Stack with id %s does not exist", name)}
	}
	if err := s.Delete(ctx); err != nil {
		return err
	}
	delete(c.stacks, name)
	return nil
}

// clean removes what clouds of this user that were killed have left on the
// machine, and says what.
func clean(ctx context.Context, registry string) ([]string, error) {
	removed, err := host.Clean(ctx, registry)
	if err != nil {
		return removed, err
	}
	folders, err := cleanFolders()
	return append(removed, folders...), err
}

// Applet runs this binary as one of the programs of an instance (aws,
// systemctl, …) when it was called by such a name. It comes first in main, and
// in TestMain of packages whose tests start a cloud.
func Applet(args []string) (exitCode int, handled bool) { return host.Applet(args) }

// path is a place in the cloud's folder.
func (c *Cloud) path(parts ...string) string {
	return filepath.Join(append([]string{c.config.Dir}, parts...)...)
}
