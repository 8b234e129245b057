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

// machine is an instance as EC2 tells of it.
type machine struct {
	ID    string `xml:"instanceId"`
	State string `xml:"instanceState>name"`
	Tags  []struct {
		Key   string `xml:"key"`
		Value string `xml:"value"`
	} `xml:"tagSet>item"`
}

func (m machine) tag(key string) string {
	for _, t := range m.Tags {
		if t.Key == key {
			return t.Value
		}
	}
	return ""
}

// machines lists every instance that EC2 knows, the terminated ones too.
func (c *scene) machines() []machine {
	c.t.Helper()
	var answer struct {
		Machines []machine `xml:"reservationSet>item>instancesSet>item"`
	}
	c.query("ec2", "2016-11-15", "DescribeInstances", nil, &answer)
	return answer.Machines
}
