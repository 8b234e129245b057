package main

import (
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// BenchmarkColdStart measures what a function's first invocation waits for: from
// the start of the process to its first request for work, as the deployed program
// does it (the flags are those of cdk/build.go). It reports the median, because a
// start that another process disturbs says nothing of the program; the bound that
// we hold is 150 ms.
//
//	go test ./lambdas -run - -bench ColdStart -benchtime 20x
func BenchmarkColdStart(b *testing.B) {
	program := filepath.Join(b.TempDir(), "bootstrap")
	build := exec.CommandContext(b.Context(), "go", "build", "-trimpath", "-buildvcs=false", "-ldflags=-s -w",
		"-gcflags=github.com/aws/aws-sdk-go-v2/service/ec2/...=-l", "-o", program, ".")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		b.Fatalf("%v\n%s", err, out)
	}
	for _, handler := range []string{"aim", "balance", "judge", "launch", "merge", "plan", "ready", "setup", "shard", "sweep", "teardown"} {
		b.Run(handler, func(b *testing.B) {
			var took []time.Duration
			for b.Loop() {
				took = append(took, coldStart(b, program, handler))
			}
			slices.Sort(took)
			median := took[len(took)/2]
			b.ReportMetric(float64(median.Microseconds())/1000, "median-ms")
			if median > 150*time.Millisecond {
				b.Errorf("the start of %s takes %v", handler, median)
			}
		})
	}
}

// coldStart runs the program until it asks for its first event.
func coldStart(b *testing.B, program, handler string) time.Duration {
	asked := make(chan time.Time, 1)
	done := make(chan struct{})
	api := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/runtime/invocation/next") {
			select {
			case asked <- time.Now():
			default:
			}
		}
		<-done // there is no work
	}))
	defer api.Close()
	defer close(done)
	cmd := exec.CommandContext(b.Context(), program)
	cmd.Env = []string{
		"_HANDLER=" + handler, "AWS_LAMBDA_RUNTIME_API=" + strings.TrimPrefix(api.URL, "http://"), "AWS_LAMBDA_FUNCTION_MEMORY_SIZE=512",
		"AWS_ACCESS_KEY_ID=a", "AWS_SECRET_ACCESS_KEY=b", "AWS_CONFIG_FILE=/dev/null", "AWS_SHARED_CREDENTIALS_FILE=/dev/null",
	}
	for name, value := range deployed() {
		cmd.Env = append(cmd.Env, name+"="+value)
	}
	cmd.Stderr = os.Stderr
	began := time.Now()
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = cmd.Wait() // it is killed in the end
	}()
	defer func() {
		_ = cmd.Process.Kill()
		<-ended
	}()
	select {
	case at := <-asked:
		return at.Sub(began)
	case <-ended:
		b.Fatalf("%s ended: %v", handler, cmd.ProcessState)
	}
	return 0
}
