package ec2_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/xml"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"

	"github.com/fairlead/fairlead/local/ec2"
	"github.com/fairlead/fairlead/local/gateway"
	"github.com/fairlead/fairlead/local/host"
	"github.com/fairlead/fairlead/local/iam"
)

func TestMain(m *testing.M) {
	if code, handled := host.Applet(os.Args); handled {
		syscall.Exit(code) // os.Exit takes a second with the race detector (atexit_sleep_ms)
	}
	os.Exit(m.Run())
}

const account = "000000000000"

// cloud is EC2 behind a gateway, with a network, a template and roles.
type cloud struct {
	t        *testing.T
	url      string
	store    *iam.Store
	ec2      *ec2.Service
	subnet   string
	group    string
	template string
	keys     iam.Credentials // who calls
}

func newCloud(t *testing.T) *cloud {
	t.Helper()
	return newCloudOf(t, 1000)
}

// newCloudOf is a cloud whose account may run so many vCPUs.
func newCloudOf(t *testing.T, vcpus int) *cloud {
	t.Helper()
	store := iam.NewStore(account)
	g := gateway.New(store, "us-east-1")
	server := httptest.NewServer(g)
	t.Cleanup(server.Close)
	h, err := host.New(host.Config{Dir: t.TempDir(), Registry: filepath.Join(t.TempDir(), "registry"), Endpoint: server.URL, Region: "us-east-1",
		Account: account, Credentials: func(role, session string) (iam.Credentials, error) {
			c, _, err := store.AssumeRole(role, session, "ec2.amazonaws.com", time.Hour)
			return c, err
		}})
	if err != nil {
		t.Fatal(err)
	}
	s := ec2.New(ec2.Config{Account: account, Region: "us-east-1", Host: h, Roles: store, VCPUs: vcpus})
	g.Register("ec2", s)
	t.Cleanup(func() {
		if err := s.Close(context.Background()); err != nil {
			t.Error(err)
		}
		if err := h.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	c := &cloud{t: t, url: server.URL, store: store, ec2: s, keys: store.Operator()}
	must := func(id string, err error) string {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return id
	}
	c.putRole("node", "ec2.amazonaws.com", `[]`)
	store.PutInstanceProfile("node", "arn:aws:iam::000000000000:instance-profile/node", "node")
	vpc := must(s.CreateVPC(ec2.VPC{CIDR: "10.0.0.0/16"}))
	c.subnet = must(s.CreateSubnet(ec2.Subnet{VPC: vpc, CIDR: "10.0.0.0/20", Zone: "us-east-1a"}))
	c.group = must(s.CreateSecurityGroup(ec2.SecurityGroup{VPC: vpc, Description: "nodes"}))
	data, err := ec2.ParseLaunchTemplateData([]byte(`{"ImageId":"resolve:ssm:/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-x86_64",
		"IamInstanceProfile":{"Arn":"arn:aws:iam::000000000000:instance-profile/node"},"SecurityGroupIds":["` + c.group + `"],
		"MetadataOptions":{"HttpEndpoint":"enabled","HttpTokens":"required","HttpPutResponseHopLimit":1,"InstanceMetadataTags":"enabled"},
		"Monitoring":{"Enabled":true},"InstanceInitiatedShutdownBehavior":"terminate",
		"BlockDeviceMappings":[{"DeviceName":"/dev/xvda","Ebs":{"Encrypted":true,"VolumeSize":8,"VolumeType":"gp3","DeleteOnTermination":true}}]}`))
	if err != nil {
		t.Fatal(err)
	}
	c.template = must(s.CreateLaunchTemplate("nodes", data, nil))
	return c
}

// putRole makes a role with one policy of the given statements.
func (c *cloud) putRole(name, service, statements string) {
	c.t.Helper()
	trust, err := iam.ParseDocument([]byte(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"sts:AssumeRole","Principal":{"Service":"` + service + `"}}]}`))
	if err != nil {
		c.t.Fatal(err)
	}
	role := iam.Role{Name: name, Trust: trust, Policies: map[string]iam.Document{}}
	if statements != "[]" {
		d, err := iam.ParseDocument([]byte(`{"Version":"2012-10-17","Statement":` + statements + `}`))
		if err != nil {
			c.t.Fatal(err)
		}
		role.Policies["grants"] = d
	}
	if err := c.store.PutRole(role); err != nil {
		c.t.Fatal(err)
	}
}

// as gives a cloud called by a role.
func (c *cloud) as(role string) *cloud {
	c.t.Helper()
	keys, _, err := c.store.AssumeRole("arn:aws:iam::000000000000:role/"+role, "test", "lambda.amazonaws.com", time.Hour)
	if err != nil {
		c.t.Fatal(err)
	}
	other := *c
	other.keys = keys
	return &other
}

// answer has the members of all the answers that tests look at.
type answer struct {
	Reservations []reservation `xml:"reservationSet>item"`
	reservation
	NextToken string `xml:"nextToken"`
	Types     []struct {
		Name          string   `xml:"instanceType"`
		VCPUs         int      `xml:"vCpuInfo>defaultVCpus"`
		Memory        int      `xml:"memoryInfo>sizeInMiB"`
		Architectures []string `xml:"processorInfo>supportedArchitectures>item"`
		FreeTier      bool     `xml:"freeTierEligible"`
		Current       bool     `xml:"currentGeneration"`
		Burstable     bool     `xml:"burstablePerformanceSupported"`
	} `xml:"instanceTypeSet>item"`
	Offerings []struct {
		Type     string `xml:"instanceType"`
		Kind     string `xml:"locationType"`
		Location string `xml:"location"`
	} `xml:"instanceTypeOfferingSet>item"`
}

type reservation struct {
	ID        string     `xml:"reservationId"`
	Instances []instance `xml:"instancesSet>item"`
}

type instance struct {
	ID       string `xml:"instanceId"`
	State    string `xml:"instanceState>name"`
	Current  string `xml:"currentState>name"`
	Previous string `xml:"previousState>name"`
	Reason   string `xml:"stateReason>code"`
	Message  string `xml:"stateReason>message"`
	Address  string `xml:"privateIpAddress"`
	Type     string `xml:"instanceType"`
	Tags     []struct {
		Key   string `xml:"key"`
		Value string `xml:"value"`
	} `xml:"tagSet>item"`
}

// call signs and sends one form request: "Name", "value", …
func (c *cloud) call(action string, form ...string) (answer, string) {
	c.t.Helper()
	values := url.Values{"Action": {action}, "Version": {"2016-11-15"}}
	for n := 0; n < len(form); n += 2 {
		values.Set(form[n], form[n+1])
	}
	body := []byte(values.Encode())
	r, err := http.NewRequestWithContext(c.t.Context(), "POST", c.url+"/", bytes.NewReader(body))
	if err != nil {
		c.t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded; charset=utf-8")
	sum := sha256.Sum256(body)
	keys := aws.Credentials{AccessKeyID: c.keys.AccessKeyID, SecretAccessKey: c.keys.SecretAccessKey, SessionToken: c.keys.SessionToken}
	if err := v4.NewSigner().SignHTTP(c.t.Context(), keys, r, hex.EncodeToString(sum[:]), "ec2", "us-east-1", time.Now()); err != nil {
		c.t.Fatal(err)
	}
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		c.t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		c.t.Fatal(err)
	}
	if response.StatusCode != 200 {
		var e struct {
			Code    string `xml:"Errors>Error>Code"`
			Message string `xml:"Errors>Error>Message"`
		}
		if err := xml.Unmarshal(text, &e); err != nil || e.Code == "" {
			c.t.Fatalf("%s: %s", response.Status, text)
		}
		return answer{}, e.Code + ": " + e.Message
	}
	var a answer
	if err := xml.Unmarshal(text, &a); err != nil {
		c.t.Fatalf("%v: %s", err, text)
	}
	return a, ""
}

// want calls and expects an error that has the text; "" expects none.
func (c *cloud) want(why, text, action string, form ...string) answer {
	c.t.Helper()
	a, failed := c.call(action, form...)
	if text == "" && failed != "" || !strings.Contains(failed, text) {
		c.t.Errorf("%s: %s gives %q, want %q", why, action, failed, text)
	}
	return a
}

// run launches from the template.
func (c *cloud) run(form ...string) answer {
	c.t.Helper()
	return c.want("launch", "", "RunInstances", append(c.launch(), form...)...)
}

func (c *cloud) launch() []string {
	return []string{"LaunchTemplate.LaunchTemplateId", c.template, "LaunchTemplate.Version", "1", "InstanceType", "t2.micro", "SubnetId", c.subnet,
		"MinCount", "1", "MaxCount", "1", "TagSpecification.1.ResourceType", "instance", "TagSpecification.1.Tag.1.Key", "stack", "TagSpecification.1.Tag.1.Value", "mine",
		"TagSpecification.2.ResourceType", "volume", "TagSpecification.2.Tag.1.Key", "stack", "TagSpecification.2.Tag.1.Value", "mine"}
}

// until polls an instance until it is in a state.
func (c *cloud) until(id, state string) instance {
	c.t.Helper()
	for deadline := time.Now().Add(10 * time.Second); ; {
		a, failed := c.call("DescribeInstances", "InstanceId.1", id)
		if failed != "" {
			c.t.Fatal(failed)
		}
		i := a.Reservations[0].Instances[0]
		if i.State == state {
			return i
		}
		if time.Now().After(deadline) {
			c.t.Fatalf("%s is %s (%s), want %s", id, i.State, i.Message, state)
		}
		<-time.After(5 * time.Millisecond)
	}
}

func TestInstanceLifeThroughTheAPI(t *testing.T) {
	c := newCloud(t)
	a := c.run("MaxCount", "2")
	if len(a.Instances) != 2 || a.Instances[0].State != "pending" || !strings.HasPrefix(a.Instances[0].Address, "127.") {
		t.Fatalf("launched %+v", a)
	}
	one, two := a.Instances[0].ID, a.Instances[1].ID
	i := c.until(one, "running")
	tags := map[string]string{}
	for _, tag := range i.Tags {
		tags[tag.Key] = tag.Value
	}
	if tags["stack"] != "mine" || tags["aws:ec2launchtemplate:id"] != c.template {
		t.Errorf("tags = %v", tags)
	}
	c.until(two, "running")
	c.want("one bad id ends none", "InvalidInstanceID.NotFound", "TerminateInstances", "InstanceId.1", one, "InstanceId.2", "i-00000000000000000")
	c.until(one, "running")
	a = c.want("both", "", "TerminateInstances", "InstanceId.1", one, "InstanceId.2", two)
	if len(a.Instances) != 2 || a.Instances[0].Current != "shutting-down" || a.Instances[0].Previous != "running" {
		t.Errorf("terminate answers %+v", a)
	}
	i = c.until(one, "terminated")
	c.until(two, "terminated")
	if i.Reason != "Client.UserInitiatedShutdown" || i.Address != "" {
		t.Errorf("terminated instance shows reason %q, address %q", i.Reason, i.Address)
	}
	c.want("ending again is no error", "", "TerminateInstances", "InstanceId.1", one)
}

func TestDeathAndShutdownHaveReasons(t *testing.T) {
	c := newCloud(t)
	dies := c.run().Instances[0].ID
	c.until(dies, "running")
	if !c.ec2.Kill(dies) {
		t.Fatal("Kill found no instance")
	}
	if i := c.until(dies, "terminated"); i.Reason != "Server.InternalError" {
		t.Errorf("a dead instance's reason is %q", i.Reason)
	}
	script := base64.StdEncoding.EncodeToString([]byte("#!/bin/bash\n/usr/sbin/shutdown -h now\n"))
	ends := c.run("UserData", script).Instances[0].ID
	if i := c.until(ends, "terminated"); i.Reason != "Client.InstanceInitiatedShutdown" {
		t.Errorf("an instance that shut down has reason %q", i.Reason)
	}
	stops := c.run("UserData", script, "InstanceInitiatedShutdownBehavior", "stop").Instances[0].ID
	c.until(stops, "stopped")
	c.want("a stopped one can be ended", "", "TerminateInstances", "InstanceId.1", stops)
	c.until(stops, "terminated")
}

func TestClientToken(t *testing.T) {
	c := newCloud(t)
	first := c.run("ClientToken", "once")
	again := c.run("ClientToken", "once")
	if first.Instances[0].ID != again.Instances[0].ID || first.ID != again.ID {
		t.Errorf("the same token launched %s and %s", first.Instances[0].ID, again.Instances[0].ID)
	}
	c.want("other parameters", "IdempotentParameterMismatch", "RunInstances", append(c.launch(), "ClientToken", "once", "InstanceType", "t2.large")...)
	a := c.want("all", "", "DescribeInstances")
	if len(a.Reservations) != 1 {
		t.Errorf("%d reservations, want 1", len(a.Reservations))
	}
}

func TestRunRefuses(t *testing.T) {
	c := newCloud(t)
	for _, row := range []struct {
		why, want string
		form      []string
	}{
		{"an unknown type", "InvalidParameterValue: Invalid value 't2.tiny' for InstanceType", []string{"InstanceType", "t2.tiny"}},
		{"an arm type with an x86 image", "InvalidParameterValue: The architecture 'arm64' of the specified instance type does not match the architecture 'x86_64' of the specified AMI.", []string{"InstanceType", "t4g.micro"}},
		{"an x86 type with an arm image", "The architecture 'x86_64' of the specified instance type does not match the architecture 'arm64' of the specified AMI.", []string{"ImageId", "resolve:ssm:/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-arm64"}},
		{"no such template", "InvalidLaunchTemplateId.NotFound", []string{"LaunchTemplate.LaunchTemplateId", "lt-0"}},
		{"no such version", "InvalidLaunchTemplateId.VersionNotFound", []string{"LaunchTemplate.Version", "7"}},
		{"no such subnet", "InvalidSubnetID.NotFound", []string{"SubnetId", "subnet-0"}},
		{"no such image", "InvalidAMIID.NotFound", []string{"ImageId", "ami-0"}},
		{"counts", "InvalidParameterValue", []string{"MinCount", "2"}},
		{"user data that is not base64", "InvalidUserData.Malformed", []string{"UserData", "#!/bin/sh"}},
		{"a reserved tag", "reserved for internal use", []string{"TagSpecification.1.Tag.1.Key", "aws:x"}},
		{"a parameter that nothing here implements", "KeyName", []string{"KeyName", "mine"}},
		{"more than there are addresses", "InsufficientInstanceCapacity", []string{"MinCount", "300", "MaxCount", "300"}},
		{"a dry run", "DryRunOperation", []string{"DryRun", "true"}},
	} {
		c.want(row.why, row.want, "RunInstances", append(c.launch(), row.form...)...)
	}
	c.want("operations that are not there", "InvalidAction", "StopInstances", "InstanceId.1", "i-0")
	if a := c.want("nothing was launched", "", "DescribeInstances"); len(a.Reservations) != 0 {
		t.Errorf("launched %+v", a)
	}
}

// launchStatements is what a launcher's role needs, one statement a resource.
func (c *cloud) launchStatements() []map[string]any {
	arn := func(kind, id string) string { return "arn:aws:ec2:us-east-1:000000000000:" + kind + "/" + id }
	allow := func(action, resource string, condition map[string]any) map[string]any {
		s := map[string]any{"Effect": "Allow", "Action": action, "Resource": resource}
		if condition != nil {
			s["Condition"] = condition
		}
		return s
	}
	made := map[string]any{"StringEquals": map[string]any{"aws:RequestTag/stack": "mine"},
		"ArnEquals": map[string]any{"ec2:LaunchTemplate": arn("launch-template", c.template)}}
	tagging := map[string]any{"StringEquals": map[string]any{"ec2:CreateAction": "RunInstances"}}
	return []map[string]any{
		allow("ec2:RunInstances", arn("instance", "*"), made), allow("ec2:RunInstances", arn("volume", "*"), made),
		allow("ec2:RunInstances", arn("network-interface", "*"), nil), allow("ec2:RunInstances", arn("subnet", c.subnet), nil),
		allow("ec2:RunInstances", arn("security-group", c.group), nil), allow("ec2:RunInstances", arn("launch-template", c.template), nil),
		allow("ec2:RunInstances", "arn:aws:ec2:us-east-1::image/*", map[string]any{"StringEquals": map[string]any{"ec2:Owner": "amazon"}}),
		allow("ec2:CreateTags", arn("instance", "*"), tagging), allow("ec2:CreateTags", arn("volume", "*"), tagging),
		allow("iam:PassRole", "arn:aws:iam::000000000000:role/node", map[string]any{"StringEquals": map[string]any{"iam:PassedToService": "ec2.amazonaws.com"}}),
		allow("ssm:GetParameters", "arn:aws:ssm:us-east-1::parameter/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-x86_64", nil),
	}
}

func statements(t *testing.T, all []map[string]any) string {
	t.Helper()
	text, err := json.Marshal(all)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestRunNeedsEachPermission(t *testing.T) {
	c := newCloud(t)
	all := c.launchStatements()
	c.putRole("launcher", "lambda.amazonaws.com", statements(t, all))
	launcher := c.as("launcher")
	launcher.run()
	launcher.want("a launch without the tag", "UnauthorizedOperation", "RunInstances", append(c.launch(), "TagSpecification.1.Tag.1.Value", "other")...)
	for n, missing := range all {
		c.putRole("launcher", "lambda.amazonaws.com", statements(t, slices.Delete(slices.Clone(all), n, n+1)))
		why := missing["Action"].(string) + " on " + missing["Resource"].(string)
		launcher.want("without "+why, "UnauthorizedOperation", "RunInstances", launcher.launch()...)
	}
	if a := c.want("only the first", "", "DescribeInstances"); len(a.Reservations) != 1 {
		t.Errorf("%d launches, want 1", len(a.Reservations))
	}
}

func TestTerminateNeedsTheTag(t *testing.T) {
	c := newCloud(t)
	c.putRole("teardown", "lambda.amazonaws.com", `[{"Effect":"Allow","Action":"ec2:TerminateInstances","Resource":"arn:aws:ec2:us-east-1:000000000000:instance/*",
		"Condition":{"StringEquals":{"aws:ResourceTag/stack":"mine"}}}]`)
	mine := c.run().Instances[0].ID
	other := c.run("TagSpecification.1.Tag.1.Value", "theirs").Instances[0].ID
	down := c.as("teardown")
	down.want("another stack's", "UnauthorizedOperation", "TerminateInstances", "InstanceId.1", mine, "InstanceId.2", other)
	if i := c.until(mine, "running"); i.State != "running" {
		t.Errorf("all or nothing: %s", i.State)
	}
	down.want("its own", "", "TerminateInstances", "InstanceId.1", mine)
	c.until(mine, "terminated")
}

func TestDescribeFiltersAndPages(t *testing.T) {
	c := newCloud(t)
	c.run("MaxCount", "6")
	large := c.run("InstanceType", "t2.large").Instances[0].ID
	count := func(form ...string) int {
		t.Helper()
		n := 0
		for _, r := range c.want("filter", "", "DescribeInstances", form...).Reservations {
			n += len(r.Instances)
		}
		return n
	}
	for _, row := range []struct {
		why  string
		want int
		form []string
	}{
		{"by type", 1, []string{"Filter.1.Name", "instance-type", "Filter.1.Value.1", "t2.large"}},
		{"values are alternatives", 7, []string{"Filter.1.Name", "instance-type", "Filter.1.Value.1", "t2.large", "Filter.1.Value.2", "*.micro"}},
		{"filters must all hold", 0, []string{"Filter.1.Name", "instance-type", "Filter.1.Value.1", "t2.large", "Filter.2.Name", "tag:stack", "Filter.2.Value.1", "x"}},
		{"by tag", 7, []string{"Filter.1.Name", "tag:stack", "Filter.1.Value.1", "mine"}},
		{"by a tag's name", 0, []string{"Filter.1.Name", "tag-key", "Filter.1.Value.1", "none"}},
		{"by id", 1, []string{"InstanceId.1", large}},
	} {
		if got := count(row.form...); got != row.want {
			t.Errorf("%s: %d instances, want %d", row.why, got, row.want)
		}
	}
	c.want("an unknown filter", "The filter 'colour' is invalid", "DescribeInstances", "Filter.1.Name", "colour", "Filter.1.Value.1", "red")
	c.want("a malformed id", "InvalidInstanceID.Malformed", "DescribeInstances", "InstanceId.1", "x")
	first := c.want("a page", "", "DescribeInstances", "MaxResults", "5")
	if len(first.Reservations[0].Instances) != 5 || first.NextToken == "" {
		t.Fatalf("first page %+v", first)
	}
	if second := c.want("the rest", "", "DescribeInstances", "MaxResults", "5", "NextToken", first.NextToken); len(second.Reservations) != 2 || second.NextToken != "" {
		t.Errorf("second page %+v", second)
	}
	types := c.want("types", "", "DescribeInstanceTypes", "InstanceType.1", "t2.large")
	if len(types.Types) != 1 || types.Types[0].VCPUs != 2 || types.Types[0].Memory != 8192 {
		t.Errorf("types = %+v", types.Types)
	}
}

func TestTagsChangeWhatMetadataShows(t *testing.T) {
	c := newCloud(t)
	id := c.run().Instances[0].ID
	c.until(id, "running")
	c.want("add", "", "CreateTags", "ResourceId.1", id, "Tag.1.Key", "colour", "Tag.1.Value", "red")
	c.want("take away", "", "DeleteTags", "ResourceId.1", id, "Tag.1.Key", "stack")
	a := c.want("by the new tag", "", "DescribeInstances", "Filter.1.Name", "tag:colour", "Filter.1.Value.1", "red")
	if len(a.Reservations) != 1 {
		t.Errorf("found %d", len(a.Reservations))
	}
	m, ok := c.ec2.Machine(id)
	if !ok || m.Tags["colour"] != "red" || m.Tags["stack"] != "" {
		t.Errorf("machine's tags = %v", m.Tags)
	}
}
