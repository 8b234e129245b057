package bench

import "time"

// RunRecord is runs/<run>/plan.json: the plan as parsed, and all that later
// steps need and must not look up again, so that a retried step repeats
// exactly what it did.
type RunRecord struct {
	Run       string    `json:"run"`
	Execution string    `json:"execution"` // ARN; a record of another execution is never reused
	Stack     string    `json:"stack"`
	StartedAt time.Time `json:"startedAt"`
	Deadline  time.Time `json:"deadline"` // no trial begins after it
	Expiry    time.Time `json:"expiry"`   // instances end themselves and the sweep ends them
	T0Lead    Duration  `json:"t0Lead"`
	Plan      Plan      `json:"plan"`
	Groups    []Group   `json:"groups"`
	Trials    []Trial   `json:"trials"`
	Estimate  Cost      `json:"estimate"`

	Document      string         `json:"document"` // SSM document
	Subnets       []string       `json:"subnets"`
	NodeTemplate  LaunchTemplate `json:"nodeTemplate"`
	ProxyTemplate LaunchTemplate `json:"proxyTemplate"`
	Backend       Artifact       `json:"backend"`      // program of the nodes
	ProxyProgram  Artifact       `json:"proxyProgram"` // program of the balancer
}

// LaunchTemplate is an EC2 launch template at one version.
type LaunchTemplate struct {
	ID      string `json:"id"`
	Version string `json:"version"`
}

// Artifact is a program in S3.
type Artifact struct {
	URI    string `json:"uri"` // s3://bucket/key
	SHA256 string `json:"sha256"`
}

// Group is what is launched and set up together: a cluster, or the proxy.
type Group struct {
	Name         string `json:"group"`
	Role         Role   `json:"role"`
	InstanceType string `json:"instanceType"`
	Count        int    `json:"count"`
}

// Role is what an instance is for.
type Role string

// The roles, as in the tag fairlead:role.
const (
	RoleNode  Role = "node"
	RoleProxy Role = "proxy"
)

// ProxyGroup is the group of the balancer's instance. No cluster may have this name.
const ProxyGroup = "proxy"

// The tags of everything a run starts.
const (
	TagStack  = "fairlead:stack"
	TagRun    = "fairlead:run"
	TagGroup  = "fairlead:group"
	TagRole   = "fairlead:role"
	TagExpiry = "fairlead:expiry" // RFC 3339, UTC
)

// Ports of the programs on the instances.
const (
	NodePort       = 8000
	ProxyPort      = 8000
	ProxyAdminPort = 8001
)

// Instance is one running EC2 instance.
type Instance struct {
	ID               string    `json:"id"`
	Group            string    `json:"group"`
	Role             Role      `json:"role"`
	Type             string    `json:"type"`
	PrivateIP        string    `json:"privateIp,omitempty"`
	AvailabilityZone string    `json:"availabilityZone,omitempty"`
	Launched         time.Time `json:"launched"`
}

// Fleet is runs/<run>/fleet.json.
type Fleet struct {
	Instances []Instance `json:"instances"`
}

// Receipt is runs/<run>/receipt.json: what was ended, when, and what is left.
type Receipt struct {
	Run   string    `json:"run"`
	By    string    `json:"by"` // teardown or sweep
	At    time.Time `json:"at"`
	Ended []Ended   `json:"ended"`
	Left  []string  `json:"left"` // never null
}

// Ended is one resource that is gone.
type Ended struct {
	ID       string    `json:"id"`
	Kind     string    `json:"kind"` // "instance"
	Group    string    `json:"group"`
	Type     string    `json:"type"`
	Launched time.Time `json:"launched"`
	Ended    time.Time `json:"ended"`
}
