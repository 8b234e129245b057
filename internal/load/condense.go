package load

import (
	"fmt"
	"regexp"
	"strconv"

	"github.com/fairlead/fairlead/internal/bench"
)

// figure is a number in a reason. Reasons that differ in nothing else are one.
var figure = regexp.MustCompile(`\d+(\.\d+)?`)

// condense says each reason once for all shards that gave it, with the figures
// of the worst: the shard whose first figure is the greatest, as shardRules words them. A reader wants to
// know how many and how bad; shard-<n>.json has the rest.
func condense(shards int, tallies []bench.ShardTally) []string {
	type fault struct {
		shards, shard int
		worst         float64
		text          string
	}
	var order []string
	faults := map[string]*fault{}
	for _, s := range tallies {
		for _, why := range s.Invalid {
			kind := figure.ReplaceAllString(why, "#")
			// Without a figure there is nothing to be worse by.
			size, _ := strconv.ParseFloat(figure.FindString(why), 64)
			f := faults[kind]
			if f == nil {
				f = &fault{shard: s.Shard, worst: size, text: why}
				faults[kind] = f
				order = append(order, kind)
			}
			f.shards++
			if size > f.worst {
				f.worst, f.text = size, why
			}
		}
	}
	var out []string
	for _, kind := range order {
		switch f := faults[kind]; {
		case shards == 1:
			out = append(out, f.text)
		case f.shards == 1:
			out = append(out, fmt.Sprintf("shard %d: %s", f.shard, f.text))
		case f.text == kind: // no figures
			out = append(out, fmt.Sprintf("%d of %d shards: %s", f.shards, shards, f.text))
		case f.text[0] >= '0' && f.text[0] <= '9':
			out = append(out, fmt.Sprintf("%d of %d shards: up to %s", f.shards, shards, f.text))
		default:
			out = append(out, fmt.Sprintf("%d of %d shards, at the worst: %s", f.shards, shards, f.text))
		}
	}
	return out
}
