package instance

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// service is a metadata service (IMDSv2) that answers what the map holds.
func service(t *testing.T, paths map[string]string) Metadata {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/latest/api/token" {
			w.Header().Set("X-Aws-Ec2-Metadata-Token-Ttl-Seconds", "60")
			fmt.Fprint(w, "secret")
			return
		}
		text, ok := paths[strings.TrimPrefix(r.URL.Path, "/latest/meta-data/")]
		switch {
		case r.Header.Get("X-Aws-Ec2-Metadata-Token") != "secret":
			w.WriteHeader(http.StatusUnauthorized)
		case !ok:
			http.NotFound(w, r)
		default:
			fmt.Fprint(w, text)
		}
	}))
	t.Cleanup(s.Close)
	t.Cleanup(http.DefaultClient.CloseIdleConnections)
	return NewMetadata(s.URL + "/")
}

func TestLocate(t *testing.T) {
	basic := map[string]string{"instance-id": "i-1", "instance-type": "t2.micro", "local-ipv4": "127.9.0.1", "placement/region": "eu-west-1"}
	with := func(key, value string) map[string]string {
		m := map[string]string{key: value}
		for k, v := range basic {
			if _, ok := m[k]; !ok {
				m[k] = v
			}
		}
		return m
	}
	emulated := `{"emulator":"fairlead-local","cpuLimit":"cgroup-v2","scale":0.1875,"vcpus":2,"cpus":0.375,"hostCores":2}`
	tests := []struct {
		why       string
		paths     map[string]string
		id        string
		addresses bool
		want      Identity // without VCPUs and CPUs if these are 0
		err       string
	}{
		{"on AWS", basic, "", false, Identity{ID: "i-1", Type: "t2.micro", Addr: "127.9.0.1"}, ""},
		{"emulated: the limits count, not this machine's cores", with("emulation", emulated), "", false,
			Identity{ID: "i-1", Type: "t2.micro", Addr: "127.9.0.1", VCPUs: 2, CPUs: .375}, ""},
		{"an id by flag wins", basic, "mine", false, Identity{ID: "mine", Type: "t2.micro", Addr: "127.9.0.1"}, ""},
		{"told everything, nobody is asked", nil, "mine", true, Identity{ID: "mine"}, ""},
		{"nobody there", nil, "", false, Identity{}, "outside EC2, give -x and -y"},
		{"only the addresses are told", nil, "", true, Identity{}, "outside EC2, give -x and -y"},
		{"an emulator that cannot be understood is not a real instance", with("emulation", "hm"), "", false, Identity{}, "metadata emulation"},
	}
	for _, tt := range tests {
		t.Run(tt.why, func(t *testing.T) {
			got, err := Locate(t.Context(), service(t, tt.paths), tt.id, tt.addresses, "-x and -y")
			if tt.err != "" {
				if err == nil || !strings.Contains(err.Error(), tt.err) {
					t.Errorf("error %v, want one with %q", err, tt.err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if got.Emulation != nil && got.Emulation.CPULimit != "cgroup-v2" {
				t.Errorf("emulation %+v", got.Emulation)
			}
			got.Emulation = nil
			if tt.want.VCPUs == 0 {
				if got.VCPUs < 1 || got.CPUs != float64(got.VCPUs) {
					t.Errorf("%d vCPUs, %v CPUs, want this machine's", got.VCPUs, got.CPUs)
				}
				got.VCPUs, got.CPUs = 0, 0
			}
			if got != tt.want {
				t.Errorf("got %+v, want %+v", got, tt.want)
			}
		})
	}
	if region, err := Region(t.Context(), service(t, basic)); region != "eu-west-1" || err != nil {
		t.Errorf("Region = %q, %v", region, err)
	}
}

func TestRecorder(t *testing.T) {
	cpu, steal := 10.0, 1.0
	m := new(Meter)
	at := func(s int64) time.Time { return time.Unix(1000+s, 1) }
	r := NewRecorder(Identity{ID: "i-1", VCPUs: 2, CPUs: .5}, m, func() (float64, float64) { return cpu, steal }, at(0))

	m.Begin()
	m.Begin()
	m.Begin()
	m.End(false)
	m.End(true)
	cpu, steal = 10.25, 1.5
	r.Tick(at(0)) // the second has not ended
	r.Tick(at(1))
	m.End(false)
	cpu = 11.25
	r.Tick(at(3)) // late by one second

	want := []Second{
		{T: 1000, CPU: .25, Steal: .5, InFlight: 3, Requests: 2, Errors: 1},
		{T: 1001, CPU: .5, InFlight: 1},
		{T: 1002, CPU: .5, InFlight: 1, Requests: 1},
	}
	s := r.Stats(0)
	if fmt.Sprint(s.Seconds) != fmt.Sprint(want) {
		t.Errorf("seconds\n%v, want\n%v", s.Seconds, want)
	}
	if s.Instance != "i-1" || s.CPUs != .5 || s.Requests != 3 || s.InFlight != 0 {
		t.Errorf("stats %+v", s)
	}
	if got := r.Stats(1002).Seconds; len(got) != 1 || got[0].T != 1002 {
		t.Errorf("since 1002: %v", got)
	}
	if got := r.Stats(5000).Seconds; got == nil || len(got) != 0 {
		t.Errorf("since the future: %#v, want an empty list, which is [] and not null in JSON", got)
	}
}

func TestRecorderKeepsAnHour(t *testing.T) {
	r := NewRecorder(Identity{}, new(Meter), func() (float64, float64) { return 0, 0 }, time.Unix(0, 0))
	for s := int64(1); s <= 4000; s++ {
		r.Tick(time.Unix(s, 0))
	}
	r.Tick(time.Unix(4100, 0))
	got := r.Stats(0).Seconds
	if len(got) != 3600 || got[0].T != 500 || got[3599].T != 4099 {
		t.Fatalf("%d seconds from %d to %d, want 3600 from 500 to 4099", len(got), got[0].T, got[len(got)-1].T)
	}
	for i := 1; i < len(got); i++ {
		if got[i].T != got[i-1].T+1 {
			t.Fatalf("after %d comes %d", got[i-1].T, got[i].T)
		}
	}
	r.Tick(time.Unix(1_000_000, 0)) // a machine that slept for days
	if got := r.Stats(0).Seconds; len(got) != 3600 || got[3599].T != 999_999 {
		t.Errorf("after a long sleep: %d seconds up to %d", len(got), got[len(got)-1].T)
	}
}

func TestProcessUsageCountsWork(t *testing.T) {
	before, _ := ProcessUsage()
	x := 1.0
	for now := before; now < before+.02; now, _ = ProcessUsage() {
		for range 100_000 {
			x *= 1.0000001
		}
	}
	if x == 0 {
		t.Error("no work done")
	}
}

func TestStolen(t *testing.T) {
	tests := []struct {
		stat string
		want float64
	}{
		{"cpu  10 20 30 40 50 60 70 123 90 100\ncpu0 1 1 1 1 1 1 1 1", 1.23},
		{"cpu  10 20 30 40", 0}, // kernels before 2.6.11 have no steal
		{"", 0},
	}
	for _, tt := range tests {
		if got := stolen([]byte(tt.stat)); got != tt.want {
			t.Errorf("stolen(%q) = %v, want %v", tt.stat, got, tt.want)
		}
	}
}

func TestProbe(t *testing.T) {
	calls := 0
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if calls++; calls < 3 {
			http.Error(w, "still starting", http.StatusServiceUnavailable)
		}
	}))
	defer s.Close()
	if err := Probe(t.Context(), s.URL, time.Minute); err != nil || calls != 3 {
		t.Errorf("after %d calls: %v, want to pass at the third", calls, err)
	}
	calls = -1 << 30
	err := Probe(t.Context(), s.URL, 20*time.Millisecond)
	if err == nil || !strings.Contains(err.Error(), "503 Service Unavailable still starting") {
		t.Errorf("error %v, want what the last try saw", err)
	}
}

func TestServeEndsAllWhenOneFails(t *testing.T) {
	first, err := Listen(t.Context(), "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	second, err := Listen(t.Context(), "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	second.Close()
	err = Serve(t.Context(), time.Minute, Server{&http.Server{}, first}, Server{&http.Server{}, second})
	if !errors.Is(err, net.ErrClosed) {
		t.Errorf("error %v, want the one of the failed server", err)
	}
	if _, err := net.Dial("tcp", first.Addr().String()); err == nil {
		t.Error("the other server goes on")
	}
}

// A client holds connections that it has never used. They do not hold up the
// end: net/http alone would wait for them for 5 s.
func TestServeDoesNotWaitForUnusedConnections(t *testing.T) {
	l, err := Listen(t.Context(), "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	served := make(chan error, 1)
	go func() { served <- Serve(ctx, time.Minute, Server{new(http.Server), l}) }()
	conn, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	// An answer on a second connection means that the first was accepted.
	res, err := http.Get("http://" + l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	start := time.Now()
	cancel()
	if err := <-served; err != nil {
		t.Error(err)
	}
	if took := time.Since(start); took > 3*time.Second {
		t.Errorf("took %s to stop, want about %s", took, firstRequest)
	}
}

func TestServeCutsWhatOutlastsTheDrain(t *testing.T) {
	l, err := Listen(t.Context(), "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	arrived := make(chan struct{})
	served := make(chan error, 1)
	go func() {
		served <- Serve(ctx, time.Millisecond, Server{&http.Server{Handler: http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			close(arrived)
			<-r.Context().Done()
		})}, l})
	}()
	got := make(chan error, 1)
	go func() {
		res, err := http.Get("http://" + l.Addr().String())
		if err == nil {
			_, err = io.ReadAll(res.Body)
			res.Body.Close()
		}
		got <- err
	}()
	<-arrived
	cancel()
	if err := <-served; err == nil || !strings.Contains(err.Error(), "still running after 1ms") {
		t.Errorf("Serve = %v, want to hear that a request was cut", err)
	}
	if err := <-got; err == nil {
		t.Error("the cut request saw no error")
	}
}

func TestSince(t *testing.T) {
	for query, want := range map[string]int64{"": 0, "?since=": 0, "?since=17": 17, "?since=yesterday": -1, "?since=1.5": -1} {
		got, err := Since(httptest.NewRequest(http.MethodGet, "/stats"+query, nil))
		if (err != nil) != (want == -1) || err == nil && got != want {
			t.Errorf("%q: %d, %v, want %d", query, got, err, want)
		}
	}
}
