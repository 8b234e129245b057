package states

import (
	"crypto/md5"
	"crypto/rand"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	mathrand "math/rand/v2"

	"github.com/recolabs/gnata"
)

// baseEnvironment holds JSONata's functions and those that Step Functions adds
// (developer guide, "Transforming data with JSONata": $partition, $range, $hash,
// $random with a seed, $uuid and $parse). It is never written after this;
// every evaluation binds its variables in a clone. $eval, which Step Functions
// does not have, only says so.
var baseEnvironment = gnata.NewCustomEnv(map[string]gnata.CustomFunc{
	"partition": partition,
	"range":     rangeOf,
	"hash":      hashOf,
	"random":    random,
	"uuid":      func([]any, any) (any, error) { return newUUID(), nil },
	"parse":     parseJSON,
	"eval":      func([]any, any) (any, error) { return nil, errors.New("$eval is not available; use $parse") },
})

// isBuiltin says whether $name is a function that every expression has.
func isBuiltin(name string) bool {
	_, ok := baseEnvironment.Lookup(name)
	return ok && name != "eval"
}

func number(v any) (float64, bool) {
	switch n := v.(type) {
	case float64:
		return n, true
	case json.Number:
		f, err := n.Float64()
		return f, err == nil
	}
	return 0, false
}

// whole reads the integer arguments of a function.
func whole(args []any, from int) ([]int, error) {
	var out []int
	for _, a := range args[from:] {
		f, ok := number(a)
		if !ok || f != float64(int(f)) {
			return nil, fmt.Errorf("%v is no integer", a)
		}
		out = append(out, int(f))
	}
	return out, nil
}

// partition cuts an array into chunks of the given size; the last may be shorter.
func partition(args []any, _ any) (any, error) {
	if len(args) != 2 {
		return nil, errors.New("$partition takes an array and a size")
	}
	list, ok := args[0].([]any)
	if !ok {
		return nil, errors.New("the first argument of $partition must be an array")
	}
	size, err := whole(args, 1)
	if err != nil || size[0] < 1 {
		return nil, errors.New("the size of $partition must be a positive integer")
	}
	chunks := []any{}
	for start := 0; start < len(list); start += size[0] {
		chunks = append(chunks, list[start:min(start+size[0], len(list))])
	}
	return chunks, nil
}

// maxRange is how many items $range gives (developer guide, "Transforming data
// with JSONata").
const maxRange = 1000

// rangeOf gives first, first+step, … up to and including last.
func rangeOf(args []any, _ any) (any, error) {
	if len(args) != 3 {
		return nil, errors.New("$range takes first, last and step")
	}
	n, err := whole(args, 0)
	if err != nil {
		return nil, fmt.Errorf("$range: %w", err)
	}
	first, last, step := n[0], n[1], n[2]
	if step == 0 {
		return nil, errors.New("the step of $range must not be 0")
	}
	// In floating point, where the distance of two numbers cannot overflow.
	steps := (float64(last) - float64(first)) / float64(step)
	if steps >= maxRange {
		return nil, fmt.Errorf("$range gives at most %d items", maxRange)
	}
	items := []any{}
	for i := 0; float64(i) <= steps; i++ {
		items = append(items, float64(first+i*step))
	}
	return items, nil
}

func hashOf(args []any, _ any) (any, error) {
	if len(args) != 2 {
		return nil, errors.New("$hash takes a value and an algorithm")
	}
	text, ok := args[0].(string)
	if !ok || len([]rune(text)) > 10_000 {
		return nil, errors.New("$hash takes a string of at most 10000 characters")
	}
	var h hash.Hash
	switch args[1] {
	case "MD5":
		h = md5.New()
	case "SHA-1":
		h = sha1.New()
	case "SHA-256":
		h = sha256.New()
	case "SHA-384":
		h = sha512.New384()
	case "SHA-512":
		h = sha512.New()
	default:
		return nil, fmt.Errorf("$hash knows MD5, SHA-1, SHA-256, SHA-384 and SHA-512, not %v", args[1])
	}
	h.Write([]byte(text))
	return hex.EncodeToString(h.Sum(nil)), nil
}

// random gives a number in [0, 1), the same one for the same seed.
func random(args []any, _ any) (any, error) {
	switch len(args) {
	case 0:
		return mathrand.Float64(), nil
	case 1:
		seed, ok := number(args[0])
		if !ok {
			return nil, errors.New("the seed of $random must be a number")
		}
		return mathrand.New(mathrand.NewPCG(uint64(int64(seed)), 0)).Float64(), nil
	}
	return nil, errors.New("$random takes at most a seed")
}

// newUUID is a random UUID, version 4 (RFC 9562, section 5.4).
func newUUID() string {
	var b [16]byte
	rand.Read(b[:])
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

func parseJSON(args []any, _ any) (any, error) {
	if len(args) != 1 {
		return nil, errors.New("$parse takes a string")
	}
	text, ok := args[0].(string)
	if !ok || !json.Valid([]byte(text)) {
		return nil, errors.New("the argument of $parse must be a string of valid JSON")
	}
	return gnata.DecodeJSON(json.RawMessage(text))
}
