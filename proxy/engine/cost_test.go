package engine

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/fairlead/fairlead/proxy/strategy"
)

// constant is a node that costs nothing: it answers each head with the same bytes.
func constant(t testing.TB, answer string) string {
	return accepts(t, func(c *net.TCPConn) {
		b, answer := make([]byte, 4096), []byte(answer)
		n := 0
		for {
			m, err := c.Read(b[n:])
			if err != nil {
				return
			}
			if n += m; bytes.HasSuffix(b[:n], []byte("\r\n\r\n")) {
				n = 0
				if _, err := c.Write(answer); err != nil {
					return
				}
			}
		}
	})
}

// A plain GET on warm connections allocates nothing, with every strategy.
func TestAllocations(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector makes sync.Pool forget")
	}
	answer := "HTTP/1.1 200 OK\r\nX-Fairlead-Load: 3;1500\r\nContent-Length: 100\r\n\r\n" + strings.Repeat("x", 100)
	r := newRig(t, DefaultLimits(), constant(t, answer), constant(t, answer))
	for _, rule := range strategy.Names() {
		if err := r.cluster.SetStrategy(rule); err != nil {
			t.Fatal(err)
		}
		c := r.dial(t)
		request, got := []byte(plain), make([]byte, 4096)
		once := func() {
			if _, err := c.Write(request); err != nil {
				t.Fatal(err)
			}
			if n, err := c.Read(got); err != nil || !bytes.HasSuffix(got[:n], []byte("x")) {
				t.Fatalf("%q %v", got[:n], err)
			}
		}
		for range 100 {
			once()
		}
		if allocs := testing.AllocsPerRun(5000, once); allocs != 0 {
			t.Errorf("%s: %v allocations per request, want none", rule, allocs)
		}
	}
}

// BenchmarkGet is a whole request over loopback, with client and node in the
// same process. proxy/bench measures the proxy alone.
func BenchmarkGet(b *testing.B) {
	r := newRig(b, DefaultLimits(), constant(b, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n"+strings.Repeat("x", 100)))
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		c, err := net.Dial("tcp", r.addr)
		if err != nil {
			b.Error(err)
			return
		}
		defer c.Close()
		got := make([]byte, 4096)
		for pb.Next() {
			if _, err := io.WriteString(c, plain); err != nil {
				b.Error(err)
				return
			}
			if _, err := c.Read(got); err != nil {
				b.Error(err)
				return
			}
		}
	})
}

// most is what 10,000 idle connections may take of the proxy's memory.
const (
	idleClients = 10_000
	most        = 120 << 20
)

// TestIdleMemory has the proxy in a process of its own, as its memory is
// measured.
func TestIdleMemory(t *testing.T) {
	if os.Getenv("FAIRLEAD_TEST_NODE") != "" {
		r := newRig(t, DefaultLimits(), os.Getenv("FAIRLEAD_TEST_NODE"))
		fmt.Println("listening " + r.addr)
		_, _ = io.Copy(io.Discard, os.Stdin) // until the other process has seen enough
		return
	}
	if raceEnabled || runtime.GOOS != "linux" {
		t.Skip("memory is looked at in /proc, and means nothing with the race detector")
	}
	var files syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &files); err != nil || files.Cur < idleClients+1000 {
		t.Skipf("only %d files may be open: %v", files.Cur, err)
	}
	node := constant(t, short)
	proxy := exec.Command(os.Args[0], "-test.run", "^TestIdleMemory$")
	proxy.Env = append(os.Environ(), "FAIRLEAD_TEST_NODE="+node)
	stdin, err := proxy.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := proxy.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := proxy.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		stdin.Close()
		_ = proxy.Wait()
	}()
	var addr string
	if _, err := fmt.Fscanf(stdout, "listening %s\n", &addr); err != nil {
		t.Fatal(err)
	}
	var wait sync.WaitGroup
	var mu sync.Mutex
	var open []net.Conn
	const at = 20
	for i := range at {
		wait.Go(func() {
			got := make([]byte, 4096)
			from := &net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, byte(2+i))}} // each has its own ports
			for range idleClients / at {
				c, err := from.Dial("tcp", addr)
				if err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				open = append(open, c)
				mu.Unlock()
				if _, err := io.WriteString(c, plain); err != nil {
					t.Error(err)
				}
				if n, err := c.Read(got); err != nil || !strings.HasPrefix(string(got[:n]), "HTTP/1.1 200") {
					t.Errorf("%q %v", got[:n], err)
				}
			}
		})
	}
	wait.Wait()
	defer func() {
		for _, c := range open {
			c.Close()
		}
	}()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", proxy.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	var size, resident int
	if _, err := fmt.Sscan(string(text), &size, &resident); err != nil {
		t.Fatal(err)
	}
	resident *= os.Getpagesize()
	t.Logf("%d idle connections: %d MB", idleClients, resident>>20)
	if resident > most {
		t.Errorf("the proxy takes %d MB for %d idle connections, want at most %d", resident>>20, idleClients, most>>20)
	}
}
