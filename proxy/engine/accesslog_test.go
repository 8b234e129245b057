package engine

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
	"time"
)

// What is logged of a request, and how many.
func TestAccessLog(t *testing.T) {
	var text bytes.Buffer
	r := newRigWith(t, Config{Limits: DefaultLimits(), Log: slog.New(slog.NewTextHandler(&text, nil)), Access: 1}, refuses(t), backend(t, echoPath))
	if _, body := r.get(t, "/one/x?y"); body != "/one/x" {
		t.Fatal(body)
	}
	r.settled(t)
	for _, want := range []string{"cluster=one", "node=n1", "client=127.0.0.1", "method=GET", "target=/one/x?y", "status=200", "bytes=6", "tries=2", "took="} {
		if !strings.Contains(text.String(), want) {
			t.Errorf("no %s in %s", want, text.String())
		}
	}
	var a accessLog
	a.init(slog.New(slog.DiscardHandler), 0.25)
	drawn := 0
	for i := range 10_000 {
		if a.draw(int64(i)*int64(time.Second)/mostLines) != nil {
			drawn++
		}
	}
	if drawn < 2300 || drawn > 2700 { // 4.6 standard deviations
		t.Errorf("%d of 10,000 were drawn, want a quarter", drawn)
	}
	a.init(slog.New(slog.DiscardHandler), 1)
	drawn = 0
	for range 10_000 {
		if a.draw(int64(1000*time.Second)) != nil {
			drawn++
		}
	}
	if drawn != mostLines {
		t.Errorf("%d in one second, want %d", drawn, mostLines)
	}
}
