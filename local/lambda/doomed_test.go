package lambda

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// doomedCloud runs functions and waits to be killed. It ends threads all the
// while, as other packages may: that must not end a function.
func doomedCloud() {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	exe, _ := os.Executable()
	var z testing.B
	s := New(Config{
		Dir: os.Getenv("LAMBDA_TEST_CLOUD"), Region: "us-east-1", Account: "000000000000", RuntimeAPI: l.Addr().String(),
		Roles: &roles{}, Objects: objects{"self": zipped(&z, map[string]string{"bootstrap*": "#!/bin/sh\nexec " + exe + "\n"})},
	})
	go func() { panic(http.Serve(l, s.RuntimeHandler())) }()
	f := Function{Name: "count", Handler: "count", Runtime: "provided.al2023", Role: "r", Code: Code{"code", "self"}}
	if _, err := s.Create(context.Background(), f); err != nil {
		panic(err)
	}
	for range 50 {
		done := make(chan struct{})
		go func() { defer close(done); runtime.LockOSThread() }() // returns locked: the thread ends
		<-done
		r, err := s.Invoke(context.Background(), Invocation{Function: "count"})
		if err != nil {
			panic(err)
		}
		fmt.Printf("%s\n", r.Payload)
	}
	select {}
}

func TestKilledCloudLeavesNoProcess(t *testing.T) {
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(exe)
	cmd.Env = append(os.Environ(), "LAMBDA_TEST_CLOUD="+t.TempDir())
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer cmd.Process.Kill()
	in := bufio.NewScanner(out)
	pid := 0
	for n := 1; n <= 50; n++ {
		var count int
		if !in.Scan() {
			t.Fatal("the cloud ended early")
		}
		if _, err := fmt.Sscanf(in.Text(), `{"count":%d,"pid":%d}`, &count, &pid); err != nil || count != n {
			t.Fatalf("%q: want the same process to answer for the %dth time (%v)", in.Text(), n, err)
		}
	}
	if err := cmd.Process.Signal(syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // killed
	start := time.Now()
	eventually(t, "the function's process to die with the cloud", func() bool { return !alive(pid) })
	if d := time.Since(start); d > 5*time.Second {
		t.Errorf("it took %v", d)
	}
}

// alive says whether a process runs; a dead one that nobody collects does not.
func alive(pid int) bool {
	b, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return false
	}
	_, after, _ := strings.Cut(string(b), ") ")
	return !strings.HasPrefix(after, "Z")
}
