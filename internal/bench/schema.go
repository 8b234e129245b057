package bench

import "encoding/json"

// PlanSchema is the JSON Schema (draft 2020-12) of a plan, made from the same
// limits that ParsePlan checks. What one schema cannot say, such as that names
// differ, only ParsePlan checks.
func PlanSchema() []byte {
	type m = map[string]any
	closed := func(about string, properties m, required ...string) m {
		s := m{"type": "object", "description": about, "additionalProperties": false, "properties": properties}
		if len(required) > 0 {
			s["required"] = required
		}
		return s
	}
	integer := func(about string, low, high int) m {
		return m{"type": "integer", "description": about, "minimum": low, "maximum": high}
	}
	duration := func(about string) m {
		return m{"type": "string", "description": about + ", with a unit: \"250ms\", \"10s\", \"60m\"", "pattern": `^[-+]?([0-9]*(\.[0-9]*)?(ns|us|µs|μs|ms|s|m|h))+$|^0$`}
	}
	share := func(about string) m {
		return m{"type": "number", "description": about, "minimum": 0, "maximum": 1}
	}
	var presets []string
	for _, p := range Presets() {
		presets = append(presets, p.Name)
	}
	instanceType := m{"enum": InstanceTypes(), "description": "an EC2 instance type whose size and price are known"}
	schema := closed("What a run does. All fields are optional; {} is the preset "+DefaultPreset+".", m{
		"preset": m{"enum": presets, "default": DefaultPreset, "description": "where the fields that are left out come from"},
		"clusters": m{"type": "array", "minItems": 1, "maxItems": maxClusters, "items": closed("equal nodes that serve one path, /name", m{
			"name":         m{"type": "string", "pattern": clusterName.String(), "not": m{"enum": reserved}},
			"instanceType": instanceType,
			"count":        integer("nodes", 1, maxNodes),
		}, "name", "instanceType", "count")},
		"targets": m{"type": "array", "minItems": 1, "items": closed("a way in to every cluster", m{
			"kind":      m{"enum": []TargetKind{TargetProxy, TargetALB, TargetDirect}},
			"strategy":  m{"enum": Strategies(), "default": DefaultStrategy, "description": "proxy: how it chooses a node"},
			"algorithm": m{"enum": Algorithms(), "default": DefaultAlgorithm, "description": "alb: how it chooses a node"},
		}, "kind")},
		"load": closed("what one trial sends, over all shards together", m{
			"kind":        m{"enum": []LoadKind{LoadBurst, LoadRate, LoadClosed}},
			"requests":    integer("burst: requests at once", 1, maxShards*socketsPerShard),
			"rate":        m{"type": "number", "exclusiveMinimum": 0, "description": "rate: requests per second, whatever the answers do"},
			"arrivals":    m{"enum": []string{"poisson", "constant"}, "default": defaultArrivals, "description": "rate: how they are spaced"},
			"concurrency": integer("closed: requests in flight", 1, maxShards*socketsPerShard),
			"duration":    duration("rate and closed: how long"),
			"timeout":     duration("of one request"),
		}),
		"work": closed("what each request asks of a node", m{
			"cpu":   duration("nominal CPU time: a fixed number of iterations"),
			"sleep": duration("waiting without CPU"),
			"bytes": integer("size of the answer's padding", 0, maxWorkBytes),
			"fail":  share("share of requests that are answered 500"),
		}),
		"proxy":  closed("the balancer's own instance", m{"instanceType": instanceType}),
		"blocks": integer("how often every arm runs; a verdict needs 5 or more", 1, maxBlocks),
		"shards": integer("workers that share a trial's load", 1, maxShards),
		"seed":   m{"type": "integer", "minimum": 0, "description": "of all random choices: the same plan and seed give the same order and arrivals"},
		"slo": closed("what every arm has to hold; a broken one makes the command exit with 1", m{
			"p99":    duration("highest 99th percentile"),
			"errors": m{"type": "number", "description": "highest share of failed requests", "exclusiveMinimum": 0, "maximum": 1},
		}),
		"thresholds": m{"type": "array", "items": m{"type": "string", "pattern": thresholdForm.String()}, "description": "\"<cluster or arm>.<metric> < <limit>\"; a broken one makes the command exit with 1"},
		"maxUSD":     m{"type": "number", "exclusiveMinimum": 0, "maximum": 1000, "description": "the run is refused if its estimate is above"},
		"ttl":        duration("after which the fleet ends by itself"),
		"dryRun":     m{"type": "boolean", "description": "plan only, launch nothing"},
	})
	schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
	schema["title"] = "Fairlead plan"
	b, err := json.MarshalIndent(schema, "", "  ")
	if err != nil {
		panic(err) // maps of strings and numbers always marshal
	}
	return append(b, '\n')
}
