//go:build race

package main

// raced: the race detector is on. It makes the simulations ten times slower
// and has nothing to find in them, which run on one goroutine.
const raced = true
