package main

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/xml"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"

	"github.com/fairlead/fairlead/internal/bench"
)

// query calls one of the APIs that speak the Query protocol and reads its answer
// into into. The SDK of EC2 alone takes longer to compile than this whole package.
func (c *scene) query(service, version, action string, parameters url.Values, into any) {
	c.t.Helper()
	form := url.Values{"Action": {action}, "Version": {version}}
	for name, v := range parameters {
		form[name] = v
	}
	body := form.Encode()
	r, err := http.NewRequestWithContext(c.t.Context(), http.MethodPost, c.cloud.Endpoint()+"/", strings.NewReader(body))
	if err != nil {
		c.t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded; charset=utf-8")
	sum := sha256.Sum256([]byte(body))
	who, err := c.config.Credentials.Retrieve(c.t.Context())
	if err == nil {
		err = v4.NewSigner().SignHTTP(c.t.Context(), who, r, hex.EncodeToString(sum[:]), service, c.config.Region, time.Now())
	}
	if err != nil {
		c.t.Fatal(err)
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		c.t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err == nil && answer.StatusCode == http.StatusOK {
		err = xml.Unmarshal(text, into)
	}
	if err != nil || answer.StatusCode != http.StatusOK {
		c.t.Fatalf("%s: %s %s, %v", action, answer.Status, text, err)
	}
}

// tag is a tag in either API's spelling.
type tag struct {
	Key    string `xml:"key"`
	Value  string `xml:"value"`
	KeyB   string `xml:"Key"`
	ValueB string `xml:"Value"`
}

// resource is something that a run starts, as its API tells of it.
type resource struct {
	ID, Kind, Run string
	Live          bool // EC2 tells of ended instances for a while
}

func runOf(tags []tag) string {
	for _, t := range tags {
		if t.Key+t.KeyB == bench.TagRun {
			return t.Value + t.ValueB
		}
	}
	return ""
}

// resources lists all of the account that a run may have started.
func (c *scene) resources() []resource {
	c.t.Helper()
	return append(c.instances(), c.balancers()...)
}

func (c *scene) instances() (list []resource) {
	c.t.Helper()
	var answer struct {
		Instances []struct {
			ID    string `xml:"instanceId"`
			State string `xml:"instanceState>name"`
			Tags  []tag  `xml:"tagSet>item"`
		} `xml:"reservationSet>item>instancesSet>item"`
	}
	c.query("ec2", "2016-11-15", "DescribeInstances", nil, &answer)
	for _, i := range answer.Instances {
		list = append(list, resource{i.ID, bench.KindInstance, runOf(i.Tags), i.State != "terminated"})
	}
	return list
}

func (c *scene) balancers() (list []resource) {
	c.t.Helper()
	const service, version = "elasticloadbalancing", "2015-12-01"
	var balancers struct {
		ARN []string `xml:"DescribeLoadBalancersResult>LoadBalancers>member>LoadBalancerArn"`
	}
	c.query(service, version, "DescribeLoadBalancers", nil, &balancers)
	for _, arn := range balancers.ARN {
		list = append(list, resource{ID: arn, Kind: bench.KindLoadBalancer, Live: true})
		var listeners struct {
			ARN []string `xml:"DescribeListenersResult>Listeners>member>ListenerArn"`
		}
		c.query(service, version, "DescribeListeners", url.Values{"LoadBalancerArn": {arn}}, &listeners)
		for _, arn := range listeners.ARN {
			list = append(list, resource{ID: arn, Kind: bench.KindListener, Live: true})
		}
	}
	var groups struct {
		ARN []string `xml:"DescribeTargetGroupsResult>TargetGroups>member>TargetGroupArn"`
	}
	c.query(service, version, "DescribeTargetGroups", nil, &groups)
	for _, arn := range groups.ARN {
		list = append(list, resource{ID: arn, Kind: bench.KindTargetGroup, Live: true})
	}
	for i := range list {
		var tags struct {
			Tags []tag `xml:"DescribeTagsResult>TagDescriptions>member>Tags>member"`
		}
		c.query(service, version, "DescribeTags", url.Values{"ResourceArns.member.1": {list[i].ID}}, &tags)
		list[i].Run = runOf(tags.Tags)
	}
	return list
}
