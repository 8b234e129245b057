package http1

import (
	"bytes"
	"testing"
)

const plainGet = "GET /cluster1/a?b=c HTTP/1.1\r\n" +
	"Host: fairlead.example:8000\r\n" +
	"User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0\r\n" +
	"Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8\r\n" +
	"Accept-Language: en-US,en;q=0.5\r\n" +
	"Accept-Encoding: gzip, deflate, br\r\n" +
	"Connection: keep-alive\r\n\r\n"

const plainAnswer = "HTTP/1.1 200 OK\r\n" +
	"Content-Type: text/plain; charset=utf-8\r\n" +
	"Date: Mon, 23 Nov 2026 19:00:00 GMT\r\n" +
	"Cache-Control: no-store\r\n" +
	"X-Fairlead-Load: 3;1250\r\n" +
	"Content-Length: 100\r\n" +
	"Connection: keep-alive\r\n\r\n"

// A plain GET and its answer, as most are: byte by byte what goes on.
func TestPlain(t *testing.T) {
	l := DefaultLimits()
	var r Request
	n, err := r.Parse([]byte(plainGet+"next"), &l)
	if err != nil || n != len(plainGet) {
		t.Fatalf("%d bytes, error %v", n, err)
	}
	if string(r.Path) != "/cluster1/a" || string(r.Query) != "b=c" || string(r.Host) != "fairlead.example:8000" ||
		!r.KeepAlive || r.Body.Kind != NoBody || len(r.Fields) != 6 {
		t.Errorf("%+v", r)
	}
	const onward = "GET /cluster1/a?b=c HTTP/1.1\r\n" +
		"Host: fairlead.example:8000\r\n" +
		"User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0\r\n" +
		"Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8\r\n" +
		"Accept-Language: en-US,en;q=0.5\r\n" +
		"Accept-Encoding: gzip, deflate, br\r\n" +
		"X-Forwarded-For: 192.0.2.1\r\n" +
		"X-Forwarded-Host: fairlead.example:8000\r\n" +
		"X-Forwarded-Proto: http\r\n" +
		"Forwarded: for=192.0.2.1;host=\"fairlead.example:8000\";proto=http\r\n" +
		"Via: 1.1 fairlead\r\n\r\n"
	o := Onward{Name: "fairlead", Client: []byte("192.0.2.1"), Proto: "http", Forwarded: true}
	if got := AppendRequest(nil, &r, &o); string(got) != onward {
		t.Errorf("sent on:\n%s\nwant:\n%s", got, onward)
	}

	var a Response
	n, err = a.Parse([]byte(plainAnswer+"body"), &l, r.Method)
	if err != nil || n != len(plainAnswer) {
		t.Fatalf("%d bytes, error %v", n, err)
	}
	if a.Status != 200 || a.Body != (Framing{Length, 100}) || !a.KeepAlive {
		t.Errorf("%+v", a)
	}
	const back = "HTTP/1.1 200 OK\r\n" +
		"Content-Type: text/plain; charset=utf-8\r\n" +
		"Date: Mon, 23 Nov 2026 19:00:00 GMT\r\n" +
		"Cache-Control: no-store\r\n" +
		"X-Fairlead-Load: 3;1250\r\n" +
		"Via: 1.1 fairlead\r\n" +
		"Content-Length: 100\r\n\r\n"
	if got := AppendResponse(nil, &a, &Back{Name: "fairlead", Minor: 1}); string(got) != back {
		t.Errorf("sent back:\n%s\nwant:\n%s", got, back)
	}
}

// work is what a proxy does with a plain GET and its answer.
func work(l *Limits, r *Request, a *Response, get, answer, out []byte) error {
	r.Reset()
	if _, err := r.Parse(get, l); err != nil {
		return err
	}
	AppendRequest(out[:0], r, &onward)
	a.Reset()
	if _, err := a.Parse(answer, l, r.Method); err != nil {
		return err
	}
	AppendResponse(out[:0], a, &back)
	return nil
}

var (
	random = [24]byte{1, 23: 2}
	onward = Onward{Name: "fairlead", Client: []byte("192.0.2.1"), Proto: "http", Forwarded: true, Random: &random}
	back   = Back{Name: "fairlead", Minor: 1}
)

func TestNoAllocations(t *testing.T) {
	l := DefaultLimits()
	var r Request
	var a Response
	get, answer, out := []byte(plainGet), []byte(plainAnswer), make([]byte, 0, 4096)
	var c Chunks
	chunked := []byte("5;a=b\r\nhello\r\n0\r\nX-Sum: 1\r\n\r\n")
	if n := testing.AllocsPerRun(1000, func() {
		if err := work(&l, &r, &a, get, answer, out); err != nil {
			t.Fatal(err)
		}
		c.Reset()
		for b, done := chunked, false; !done; {
			data, n, end, err := c.Next(b, &l)
			if err != nil {
				t.Fatal(err)
			}
			if len(data) > 0 {
				AppendChunk(out[:0], data)
			}
			b, done = b[n:], end
		}
		AppendLastChunk(out[:0], c.Trailer)
	}); n != 0 {
		t.Errorf("%v allocations, want none", n)
	}
}

func BenchmarkRequest(b *testing.B) {
	l := DefaultLimits()
	var r Request
	get := []byte(plainGet)
	b.ReportAllocs()
	for b.Loop() {
		r.Reset()
		if _, err := r.Parse(get, &l); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkAppendRequest(b *testing.B) {
	l := DefaultLimits()
	var r Request
	if _, err := r.Parse([]byte(plainGet), &l); err != nil {
		b.Fatal(err)
	}
	out := make([]byte, 0, 4096)
	b.ReportAllocs()
	for b.Loop() {
		AppendRequest(out[:0], &r, &onward)
	}
}

func BenchmarkResponse(b *testing.B) {
	l := DefaultLimits()
	var a Response
	answer := []byte(plainAnswer)
	b.ReportAllocs()
	for b.Loop() {
		a.Reset()
		if _, err := a.Parse(answer, &l, nil); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkAppendResponse(b *testing.B) {
	l := DefaultLimits()
	var a Response
	if _, err := a.Parse([]byte(plainAnswer), &l, nil); err != nil {
		b.Fatal(err)
	}
	out := make([]byte, 0, 4096)
	b.ReportAllocs()
	for b.Loop() {
		AppendResponse(out[:0], &a, &back)
	}
}

// BenchmarkAll is everything that this package does for a plain GET.
func BenchmarkAll(b *testing.B) {
	l := DefaultLimits()
	var r Request
	var a Response
	get, answer, out := []byte(plainGet), []byte(plainAnswer), make([]byte, 0, 4096)
	b.ReportAllocs()
	for b.Loop() {
		if err := work(&l, &r, &a, get, answer, out); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkChunks(b *testing.B) {
	l := DefaultLimits()
	var c Chunks
	body := AppendLastChunk(AppendChunk(nil, bytes.Repeat([]byte("x"), 1024)), nil)
	b.ReportAllocs()
	for b.Loop() {
		c.Reset()
		for rest, done := body, false; !done; {
			_, n, end, err := c.Next(rest, &l)
			if err != nil {
				b.Fatal(err)
			}
			rest, done = rest[n:], end
		}
	}
}
