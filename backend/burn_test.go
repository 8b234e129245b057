package main

import (
	"context"
	"testing"
	"time"
)

func BenchmarkBurn(b *testing.B) {
	for b.Loop() {
		burn(context.Background(), time.Millisecond)
	}
}
