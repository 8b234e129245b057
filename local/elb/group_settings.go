package elb

import (
	"slices"
	"strconv"
	"strings"
)

// groupSettings are what CreateTargetGroup takes, without the tags, with its
// defaults filled in.
type groupSettings struct {
	name, vpc          string
	port               int
	path, checkPort    string
	matcher            string
	interval, timeout  int // seconds
	healthy, unhealthy int // checks in a row
}

type groupInput struct {
	Name                       string
	Protocol                   string
	ProtocolVersion            string
	Port                       *int
	VpcID                      string `json:"VpcId"`
	TargetType                 string
	IPAddressType              string `json:"IpAddressType"`
	HealthCheckEnabled         *bool
	HealthCheckProtocol        string
	HealthCheckPort            string
	HealthCheckPath            string
	HealthCheckIntervalSeconds *int
	HealthCheckTimeoutSeconds  *int
	HealthyThresholdCount      *int
	UnhealthyThresholdCount    *int
	Matcher                    struct{ HttpCode string } //nolint:revive // the wire's name
	Tags                       []tag
}

// settings checks an input and fills in the defaults (API reference,
// CreateTargetGroup; for HTTP and instances).
func (in groupInput) settings() (groupSettings, error) {
	var none groupSettings
	switch {
	case in.TargetType != "" && in.TargetType != "instance":
		return none, unimplemented("targets of the type '%s', only instance", in.TargetType)
	case in.Protocol == "" || in.Port == nil || in.VpcID == "":
		return none, invalid("A protocol, a port and a VPC ID must be specified")
	case in.Protocol != "HTTP":
		return none, unimplemented("target groups of the protocol '%s', only HTTP", in.Protocol)
	case in.ProtocolVersion != "" && in.ProtocolVersion != "HTTP1":
		return none, unimplemented("the protocol version '%s', only HTTP1", in.ProtocolVersion)
	case in.IPAddressType != "" && in.IPAddressType != "ipv4":
		return none, unimplemented("the IP address type '%s', only ipv4", in.IPAddressType)
	case in.HealthCheckEnabled != nil && !*in.HealthCheckEnabled:
		return none, invalid("Health check enabled must be true for target groups with target type 'instance'")
	case in.HealthCheckProtocol != "" && in.HealthCheckProtocol != "HTTP":
		return none, unimplemented("health checks of the protocol '%s', only HTTP", in.HealthCheckProtocol)
	case *in.Port < 1 || *in.Port > 65535:
		return none, invalid("The port %d must be 1 to 65535", *in.Port)
	}
	g := groupSettings{name: in.Name, vpc: in.VpcID, port: *in.Port, path: or(in.HealthCheckPath, "/"),
		checkPort: or(in.HealthCheckPort, "traffic-port"), matcher: or(in.Matcher.HttpCode, "200")}
	for _, n := range []struct {
		name              string
		given             *int
		into              *int
		usual, from, upTo int
	}{
		{"HealthCheckIntervalSeconds", in.HealthCheckIntervalSeconds, &g.interval, 30, 5, 300},
		{"HealthCheckTimeoutSeconds", in.HealthCheckTimeoutSeconds, &g.timeout, 5, 2, 120},
		{"HealthyThresholdCount", in.HealthyThresholdCount, &g.healthy, 5, 2, 10},
		{"UnhealthyThresholdCount", in.UnhealthyThresholdCount, &g.unhealthy, 2, 2, 10},
	} {
		*n.into = n.usual
		if n.given != nil {
			*n.into = *n.given
		}
		if *n.into < n.from || *n.into > n.upTo {
			return none, invalid("%s is %d, it must be %d to %d", n.name, *n.into, n.from, n.upTo)
		}
	}
	if g.timeout >= g.interval {
		return none, invalid("Health check timeout '%d' must be smaller than or equal to the interval '%d' less one second", g.timeout, g.interval)
	}
	if !validPath.MatchString(g.path) || len(g.path) > 1024 {
		return none, invalid("The health check path '%s' must begin with / and have at most 1024 characters", g.path)
	}
	if port, err := strconv.Atoi(g.checkPort); g.checkPort != "traffic-port" && (err != nil || port < 1 || port > 65535) {
		return none, invalid("The health check port '%s' must be traffic-port or 1 to 65535", g.checkPort)
	}
	if _, err := codesOf(g.matcher); err != nil {
		return none, err
	}
	return g, nil
}

func or(given, usual string) string {
	if given == "" {
		return usual
	}
	return given
}

// codes are ranges of HTTP status codes.
type codes [][2]int

// codesOf reads a matcher: "200", "200,202" or "200-299", from 200 to 499.
func codesOf(text string) (codes, error) {
	var all codes
	for _, part := range strings.Split(text, ",") {
		low, high, isRange := strings.Cut(part, "-")
		if !isRange {
			high = low
		}
		from, err := strconv.Atoi(low)
		to, err2 := strconv.Atoi(high)
		if err != nil || err2 != nil || from < 200 || to > 499 || from > to {
			return nil, invalid("The health check matcher '%s' must be codes or ranges of codes from 200 to 499", text)
		}
		all = append(all, [2]int{from, to})
	}
	return all, nil
}

func (c codes) has(status int) bool {
	return slices.ContainsFunc(c, func(r [2]int) bool { return status >= r[0] && status <= r[1] })
}
