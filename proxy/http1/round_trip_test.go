package http1

import (
	"bytes"
	"slices"
	"strings"
	"testing"
)

// hop are fields that must not be passed on, whatever they say; Host, length
// and coding are written anew.
var hop = []string{"close", "connection", "content-length", "expect", "host", "keep-alive", "max-forwards", "proxy-authenticate", "proxy-authentication-info",
	"proxy-authorization", "proxy-connection", "te", "transfer-encoding", "upgrade"}

// endToEnd gives the lines that must be passed on, found out in another way
// than the codec's: by names as strings.
func endToEnd(fields []Field, also ...string) []string {
	not := append(also, hop...)
	for _, f := range fields {
		if strings.EqualFold(string(f.Name), "connection") {
			for _, option := range strings.Split(string(f.Value), ",") {
				not = append(not, strings.ToLower(strings.Trim(option, " \t")))
			}
		}
	}
	var kept []string
	for _, f := range fields {
		name := strings.ToLower(string(f.Name))
		hyphened := strings.ReplaceAll(name, "_", "-")
		if !slices.Contains(not, name) && (name == hyphened || kindOf([]byte(hyphened)) <= plain || kindOf([]byte(hyphened)) == early) {
			kept = append(kept, string(f.Name)+": "+string(f.Value))
		}
	}
	return kept
}

// What is written is read again as the same, and written as the same: no
// field, no byte of framing is gained or lost on the way.
func FuzzRoundTrip(f *testing.F) {
	for _, c := range acceptedRequests {
		f.Add([]byte(c.in), uint8(0))
		f.Add([]byte(c.in), uint8(255))
	}
	for _, c := range acceptedResponses {
		f.Add([]byte(c.in), uint8(slices.Index(methods, c.method)))
	}
	f.Fuzz(func(t *testing.T, in []byte, options uint8) {
		if len(in) > 512 {
			return
		}
		if bytes.HasPrefix(in, []byte("HTTP/")) {
			roundTripResponse(t, in, options)
		} else {
			roundTripRequest(t, in, options)
		}
	})
}

func roundTripRequest(t *testing.T, in []byte, options uint8) {
	var r, again Request
	if n, _ := r.Parse(in, &fuzzLimits); n == 0 {
		return
	}
	o := Onward{Close: options&1 != 0, Trusted: options&2 != 0, Forwarded: options&4 != 0, Host: []byte("node")}
	if options&8 != 0 {
		o.Client, o.Proto = []byte("2001:db8::1"), "http"
	}
	if options&16 != 0 {
		o.Name = "fairlead"
	}
	if options&32 != 0 {
		o.Random = &random
	}
	out := AppendRequest(nil, &r, &o)
	ample := Limits{Line: 2048, Head: 8192, Fields: 100}
	if n, err := again.Parse(out, &ample); n != len(out) || err != nil {
		t.Fatalf("%q\nwritten as %q\nreads as %d bytes, error %v", in, out, n, err)
	}
	host := r.Host
	if host == nil {
		host = o.Host
	}
	if !bytes.Equal(again.Method, r.Method) || !bytes.Equal(again.Path, r.Path) || !bytes.Equal(again.Query, r.Query) || (again.Query == nil) != (r.Query == nil) ||
		!bytes.Equal(again.Host, host) || again.Body != r.Body || again.Expect100 != r.Expect100 || !bytes.Equal(again.Upgrade, r.Upgrade) ||
		again.KeepAlive == o.Close || again.Trailers != r.Trailers || again.Minor != 1 {
		t.Fatalf("%q\nwritten as %q", in, out)
	}
	// What hops add is another test's.
	added := []string{"via", "forwarded", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-real-ip", "traceparent", "tracestate"}
	for _, f := range r.Fields {
		if name := strings.ToLower(string(f.Name)); strings.HasPrefix(name, "x-forwarded-") {
			added = append(added, name)
		}
	}
	if !o.Trusted {
		for _, f := range again.Fields {
			if name := strings.ToLower(string(f.Name)); slices.Contains([]string{"x-real-ip", "x-forwarded-port"}, name) || o.Client == nil && strings.HasPrefix(name, "x-forwarded-") {
				t.Fatalf("%q\npasses %s on: %q", in, name, out)
			}
		}
	}
	want, got := r.Fields, again.Fields
	if string(r.Method) != "OPTIONS" && string(r.Method) != "TRACE" {
		want, got = renamed(want), renamed(got)
	}
	if w, g := endToEnd(want, added...), endToEnd(got, added...); !slices.Equal(w, g) {
		t.Fatalf("%q\nwritten as %q\nhas %q, want %q", in, out, g, w)
	}
	plainly := Onward{Trusted: true, Close: o.Close}
	if second := AppendRequest(nil, &again, &plainly); !sameLines(second, out) && (r.MaxForwards < 0) {
		t.Fatalf("%q\nwritten as %q\nand then as %q", in, out, second)
	}
}

// renamed hides Max-Forwards, which is passed on with most methods.
func renamed(fields []Field) []Field {
	fields = slices.Clone(fields)
	for i := range fields {
		if strings.EqualFold(string(fields[i].Name), "max-forwards") {
			fields[i].Name = []byte("Max-Forwards-Of-Others")
		}
	}
	return fields
}

// sameLines compares but for the order, in which what hops add moves.
func sameLines(a, b []byte) bool {
	x, y := strings.Split(string(a), "\r\n"), strings.Split(string(b), "\r\n")
	slices.Sort(x)
	slices.Sort(y)
	return slices.Equal(x, y)
}

func roundTripResponse(t *testing.T, in []byte, options uint8) {
	method := []byte(methods[int(options)%len(methods)])
	var r, again Response
	if n, _ := r.Parse(in, &fuzzLimits, method); n == 0 {
		return
	}
	o := Back{Minor: 1, Close: options&8 != 0}
	if options&16 != 0 {
		o.Name = "fairlead"
	}
	out := AppendResponse(nil, &r, &o)
	ample := Limits{Line: 2048, Head: 8192, Fields: 100}
	if n, err := again.Parse(out, &ample, method); n != len(out) || err != nil {
		t.Fatalf("%q\nwritten as %q\nreads as %d bytes, error %v", in, out, n, err)
	}
	if again.Status != r.Status || !bytes.Equal(again.Reason, r.Reason) || again.Body != r.Body || !bytes.Equal(again.Upgrade, r.Upgrade) || again.Minor != 1 {
		t.Fatalf("%q\nwritten as %q", in, out)
	}
	if closes := o.Close || r.Body.Kind == UntilClose; r.Status >= 200 && again.KeepAlive == closes {
		t.Fatalf("%q\nwritten as %q\nkeeps alive: %v", in, out, again.KeepAlive)
	}
	w, g := endToEnd(without(r.Fields), "via"), endToEnd(without(again.Fields), "via")
	if !slices.Equal(w, g) {
		t.Fatalf("%q\nwritten as %q\nhas %q, want %q", in, out, g, w)
	}
}

// without renames what means something in requests only.
func without(fields []Field) []Field {
	fields = renamed(fields)
	for i := range fields {
		if strings.EqualFold(string(fields[i].Name), "expect") {
			fields[i].Name = []byte("Expect-Of-Others")
		}
	}
	return fields
}
