package main

import (
	"archive/zip"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"

	"github.com/fairlead/fairlead/cdk/template"
	"github.com/fairlead/fairlead/cmd/fairlead/command"
	"github.com/fairlead/fairlead/internal/bench"
	"github.com/fairlead/fairlead/local"
)

// stackName is the stack's name on the local AWS.
const stackName = "fairlead"

// localAccount is the local AWS's account; no real one has this number.
const localAccount = "000000000000"

// localLead replaces the ten seconds that a trial's T0 lies ahead on AWS: here
// the shards are processes that start in milliseconds.
const localLead = 600 * time.Millisecond

// standing says how the local AWS is set up.
type standing struct {
	out     string  // folder that is the results bucket
	data    string  // folder for logs and state; empty: a temporary one
	addr    string  // address of the endpoint; empty: any
	scale   float64 // cores given to each vCPU
	delays  command.Delays
	verbose bool
	account account

	// render gives the template for the programs' SHA-256; nil: the golden one.
	render func(sums map[string]string) ([]byte, error)
}

// account is what an account has before the stack. Zero: the local AWS's own
// limits, and a bootstrapped CDK.
type account struct {
	quotas      local.Quotas
	concurrency int    // functions at once; 0: as local.Config has it
	assets      string // bucket of the programs; empty: the CDK's bootstrap bucket
	prepare     func(*local.Cloud) error
}

// stand is a local AWS with our stack on it.
type stand struct {
	deployment // its results folder is the bucket

	cloud    *local.Cloud
	data     string
	shutdown time.Duration // that ending instances takes at least
	// temporary says that data is ours to remove; keep, that it tells why a run failed.
	temporary, keep bool

	config aws.Config
}

// errResults is a results folder that cannot be had: the user named it.
var errResults = errors.New("the results folder cannot be used, give another --out")

// writable makes a folder and proves that files can be written there.
func writable(dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	f, err := os.CreateTemp(dir, ".fairlead-*")
	if err != nil {
		return err
	}
	return errors.Join(f.Close(), os.Remove(f.Name()))
}

// stand starts a local AWS and deploys the golden template with the compiled
// programs as its assets.
func (e engine) stand(ctx context.Context, s standing) (_ *stand, err error) {
	out, err := filepath.Abs(s.out)
	if err != nil {
		return nil, err
	}
	if err := writable(out); err != nil {
		return nil, fmt.Errorf("%w: %w", errResults, err)
	}
	st := &stand{data: s.data, shutdown: s.delays.Shutdown, deployment: deployment{results: out, every: 200 * time.Millisecond, patience: time.Minute + s.delays.Shutdown}}
	st.has, st.fetch = st.hasFile, func(context.Context, bench.RunKeys) error { return nil }
	defer func() {
		if err != nil {
			err = errors.Join(err, st.close())
		}
	}()
	started := func() error { return nil }
	if st.data == "" {
		f, err := newFolder()
		if err != nil {
			return nil, err
		}
		st.data, st.temporary, started = f.path, true, f.started
	}
	st.cloud, err = local.Start(ctx, local.Config{
		Dir: st.data, Addr: s.addr, CPUScale: s.scale, Account: localAccount,
		Quotas: s.account.quotas, Concurrency: s.account.concurrency,
		Ports: []int{bench.NodePort, bench.ProxyAdminPort, bench.ALBPort + 2},
		Delays: local.Delays{
			Boot: s.delays.Boot, Registration: s.delays.Registration, Shutdown: s.delays.Shutdown, LoadBalancer: s.delays.LoadBalancer,
		},
		BucketDir: func(bucket string) string {
			if strings.HasPrefix(bucket, resultsPrefix) {
				return out
			}
			return ""
		},
	})
	if err := errors.Join(err, started()); err != nil {
		return nil, err
	}
	if s.account.prepare != nil {
		if err := s.account.prepare(st.cloud); err != nil {
			return nil, err
		}
	}
	sums, err := e.publish(st, cmp.Or(s.account.assets, fmt.Sprintf("cdk-hnb659fds-assets-%s-%s", localAccount, st.cloud.Region())))
	if err != nil {
		return nil, err
	}
	if s.render == nil {
		s.render = template.Render
	}
	text, err := s.render(sums)
	if err != nil {
		return nil, err
	}
	stack, err := st.cloud.Deploy(ctx, stackName, text, map[string]string{"T0Lead": cmp.Or(s.delays.Lead, localLead).String()})
	if err != nil {
		return nil, fmt.Errorf("deploying the template: %w", err)
	}
	if s.verbose {
		e.describe(st, stack)
	}
	if err := st.outputs(stack.Outputs); err != nil {
		return nil, err
	}
	c := st.cloud.OperatorCredentials()
	// Made by hand, so that nothing of the user's own AWS configuration counts.
	st.config = aws.Config{
		Region:       st.cloud.Region(),
		BaseEndpoint: aws.String(st.cloud.Endpoint()),
		Credentials:  credentials.NewStaticCredentialsProvider(c.AccessKeyID, c.SecretAccessKey, c.SessionToken),
	}
	st.clients(st.config)
	return st, nil
}

// close takes the local AWS down: executions are aborted, the sweep runs,
// instances end. It takes as long as it must, up to a bound.
func (st *stand) close() error {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second+st.shutdown)
	defer cancel()
	var errs []error
	if st.cloud != nil {
		errs = append(errs, st.cloud.Close(ctx))
	}
	switch {
	case !st.temporary || st.data == "":
	case st.keep || errors.Join(errs...) != nil:
		errs = append(errs, keep(st.data))
	default:
		errs = append(errs, os.RemoveAll(st.data))
	}
	return errors.Join(errs...)
}

// resultsPrefix begins the name that CloudFormation gives the results bucket:
// the stack's name and the bucket's logical id, in lower case.
const resultsPrefix = stackName + "-results"

// publish puts the programs into the bucket where the template looks for its
// assets, and gives their SHA-256 sums, which the set-up checks.
func (e engine) publish(st *stand, bucket string) (map[string]string, error) {
	sums := map[string]string{}
	for _, a := range template.Assets() {
		file := filepath.Join(e.programs, filepath.Base(a.Package))
		if a.Entry != "" {
			zipped := filepath.Join(st.data, a.Name+".zip")
			if err := zipProgram(zipped, a.Entry, file); err != nil {
				return nil, fmt.Errorf("packing %s: %w", a.Name, err)
			}
			defer os.Remove(zipped) // the bucket has it then
			file = zipped
		}
		if a.Hashed {
			sum, err := sha256File(file)
			if err != nil {
				return nil, err
			}
			sums[a.Name] = sum
		}
		if err := st.cloud.PutAsset(bucket, a.Key, file); err != nil {
			return nil, fmt.Errorf("publishing %s: %w", a.Name, err)
		}
	}
	return sums, nil
}

// zipProgram stores without compressing: the file is read once, a moment later.
func zipProgram(to, entry, program string) (err error) {
	f, err := os.Create(to)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	in, err := os.Open(program)
	if err != nil {
		return err
	}
	defer in.Close()
	z := zip.NewWriter(f)
	h := &zip.FileHeader{Name: entry, Method: zip.Store}
	h.SetMode(0o755)
	w, err := z.CreateHeader(h)
	if err != nil {
		return err
	}
	if _, err := io.Copy(w, in); err != nil {
		return err
	}
	return z.Close()
}

func sha256File(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", err
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// scaleFor fits the plan's largest cluster into three quarters of the machine's
// cores; the rest is for the proxy, the workers and the local AWS itself.
func scaleFor(p bench.Plan) float64 {
	largest := 1
	for _, c := range p.Clusters {
		t, _ := bench.TypeOf(c.InstanceType)
		largest = max(largest, c.Count*t.VCPUs)
	}
	return min(1, 0.75*float64(runtime.NumCPU())/float64(largest))
}
