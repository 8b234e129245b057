package ec2_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/fairlead/fairlead/local/ec2"
)

// TestTypesTellWhatAPreflightAsks: the facts that decide whether a plan fits an
// account, from the EC2 user guide.
func TestTypesTellWhatAPreflightAsks(t *testing.T) {
	c := newCloud(t)
	names := []string{"t2.micro", "t2.large", "t3.micro", "t4g.nano", "t4g.large", "c7g.large", "c7i-flex.large", "m5.xlarge"}
	form := []string{}
	for n, name := range names {
		form = append(form, fmt.Sprintf("InstanceType.%d", n+1), name)
	}
	got := map[string]string{}
	for _, k := range c.want("types", "", "DescribeInstanceTypes", form...).Types {
		got[k.Name] = fmt.Sprintf("%d vCPUs %d MiB %v free %v burstable %v current %v", k.VCPUs, k.Memory, k.Architectures, k.FreeTier, k.Burstable, k.Current)
	}
	for name, want := range map[string]string{
		"t2.micro":       "1 vCPUs 1024 MiB [x86_64] free false burstable true current true",
		"t2.large":       "2 vCPUs 8192 MiB [x86_64] free false burstable true current true",
		"t3.micro":       "2 vCPUs 1024 MiB [x86_64] free true burstable true current true",
		"t4g.nano":       "2 vCPUs 512 MiB [arm64] free false burstable true current true",
		"t4g.large":      "2 vCPUs 8192 MiB [arm64] free false burstable true current true",
		"c7g.large":      "2 vCPUs 4096 MiB [arm64] free false burstable false current true",
		"c7i-flex.large": "2 vCPUs 4096 MiB [x86_64] free true burstable false current true",
		"m5.xlarge":      "4 vCPUs 16384 MiB [x86_64] free false burstable false current true",
	} {
		if got[name] != want {
			t.Errorf("%s: %s\nwant %s", name, got[name], want)
		}
	}
	c.want("all unknown types at once", "InvalidInstanceType: The following supplied instance types do not exist: [t2.tiny, x9.big]", "DescribeInstanceTypes",
		"InstanceType.1", "t2.tiny", "InstanceType.2", "t2.micro", "InstanceType.3", "x9.big")
	free := c.want("free", "", "DescribeInstanceTypes", "Filter.1.Name", "free-tier-eligible", "Filter.1.Value.1", "true", "Filter.2.Name", "processor-info.supported-architecture", "Filter.2.Value.1", "arm64")
	if len(free.Types) != 2 || free.Types[0].Name != "t4g.micro" || free.Types[1].Name != "t4g.small" {
		t.Errorf("free arm64 types: %+v", free.Types)
	}
}

func TestOfferingsByZone(t *testing.T) {
	c := newCloud(t)
	a := c.want("offerings", "", "DescribeInstanceTypeOfferings", "LocationType", "availability-zone",
		"Filter.1.Name", "location", "Filter.1.Value.1", "us-east-1a", "Filter.1.Value.2", "us-east-1c", "Filter.1.Value.3", "us-east-1f",
		"Filter.2.Name", "instance-type", "Filter.2.Value.1", "t4g.micro", "Filter.2.Value.2", "x9.big")
	if got := fmt.Sprint(a.Offerings); got != "[{t4g.micro availability-zone us-east-1a} {t4g.micro availability-zone us-east-1c}]" {
		t.Error(got)
	}
	a = c.want("in the region", "", "DescribeInstanceTypeOfferings", "Filter.1.Name", "instance-type", "Filter.1.Value.1", "t2.micro")
	if got := fmt.Sprint(a.Offerings); got != "[{t2.micro region us-east-1}]" {
		t.Error(got)
	}
}

// TestVCPUQuota: instances count while they are pending or running, a launch
// gets what there is room for from its minimum on, and a token's second call
// does not count again.
func TestVCPUQuota(t *testing.T) {
	c := newCloudOf(t, 5)
	if c.ec2.VCPUQuota() != 5 || ec2.New(ec2.Config{}).VCPUQuota() != ec2.DefaultVCPUs {
		t.Errorf("the quota is %d", c.ec2.VCPUQuota())
	}
	large := c.run("InstanceType", "t2.large", "MaxCount", "4", "ClientToken", "once") // 2 vCPUs each
	if len(large.Instances) != 2 {
		t.Fatalf("launched %d of 1 to 4 t2.large, want 2", len(large.Instances))
	}
	const refused = "VcpuLimitExceeded: You have requested more vCPU capacity than your current vCPU limit of 5 allows for the instance bucket that the specified instance type belongs to."
	c.want("a third", refused, "RunInstances", append(c.launch(), "InstanceType", "t2.large")...)
	c.want("two of one vCPU", refused, "RunInstances", append(c.launch(), "MinCount", "2", "MaxCount", "2")...)
	c.run() // one fits
	if again := c.run("InstanceType", "t2.large", "MaxCount", "4", "ClientToken", "once"); again.ID != large.ID {
		t.Error("the token's second call launched again")
	}
	c.want("end", "", "TerminateInstances", "InstanceId.1", large.Instances[0].ID)
	c.run("InstanceType", "t2.large")
}

// TestArmInstanceSaysWhereItRuns: its identity is the type's, its programs the
// machine's.
func TestArmInstanceSaysWhereItRuns(t *testing.T) {
	c := newCloud(t)
	id := c.run("InstanceType", "t4g.small", "ImageId", "resolve:ssm:/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-arm64").Instances[0].ID
	address := "http://" + c.until(id, "running").Address + ":1338" // see local/host, metadataPort
	client := http.Client{Timeout: 10 * time.Second}
	ask := func(method, path, header, value string) string {
		t.Helper()
		r, err := http.NewRequestWithContext(t.Context(), method, address+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set(header, value)
		response, err := client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer response.Body.Close()
		text, err := io.ReadAll(response.Body)
		if err != nil || response.StatusCode != 200 {
			t.Fatalf("%s: %s %v", path, response.Status, err)
		}
		return string(text)
	}
	token := ask("PUT", "/latest/api/token", "X-Aws-Ec2-Metadata-Token-Ttl-Seconds", "60")
	for path, want := range map[string]string{
		"/latest/meta-data/emulation":                map[string]string{"amd64": "x86_64", "arm64": "arm64"}[runtime.GOARCH],
		"/latest/dynamic/instance-identity/document": "arm64",
	} {
		var document struct{ Architecture string }
		if err := json.NewDecoder(strings.NewReader(ask("GET", path, "X-Aws-Ec2-Metadata-Token", token))).Decode(&document); err != nil || document.Architecture != want {
			t.Errorf("%s says %q (%v), want %q", path, document.Architecture, err, want)
		}
	}
}

// TestInstanceProfileByName: an account's own profile may be named without its ARN.
func TestInstanceProfileByName(t *testing.T) {
	c := newCloud(t)
	data, err := ec2.ParseLaunchTemplateData([]byte(`{"ImageId":"resolve:ssm:/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-arm64",
		"IamInstanceProfile":{"Name":"node"},"SecurityGroupIds":["` + c.group + `"]}`))
	if err != nil {
		t.Fatal(err)
	}
	if c.template, err = c.ec2.CreateLaunchTemplate("arm", data, nil); err != nil {
		t.Fatal(err)
	}
	id := c.run("InstanceType", "c7g.large").Instances[0].ID
	c.until(id, "running")
	if m, ok := c.ec2.Machine(id); !ok || m.RoleARN != "arn:aws:iam::000000000000:role/node" {
		t.Errorf("the machine's role is %q", m.RoleARN)
	}
}
