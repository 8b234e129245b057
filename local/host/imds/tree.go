package imds

import (
	"strings"
	"time"

	"github.com/fairlead/fairlead/local/iam"
)

// leaves maps each path of the metadata tree to what stands there now.
func (s *Server) leaves() map[string]func() (string, error) {
	i := s.instance()
	out := map[string]func() (string, error){}
	text := func(path, value string) {
		out[path] = func() (string, error) { return value, nil }
	}
	const meta = "/latest/meta-data"
	host := "ip-" + strings.ReplaceAll(i.LocalIPv4, ".", "-") + ".ec2.internal"
	if i.Region != "us-east-1" {
		host = strings.Replace(host, "ec2.internal", i.Region+".compute.internal", 1)
	}
	text(meta+"/ami-id", i.ImageID)
	text(meta+"/hostname", host)
	text(meta+"/instance-id", i.ID)
	text(meta+"/instance-life-cycle", "on-demand")
	text(meta+"/instance-type", i.Type)
	text(meta+"/local-hostname", host)
	text(meta+"/local-ipv4", i.LocalIPv4)
	text(meta+"/placement/availability-zone", i.Zone)
	text(meta+"/placement/region", i.Region)
	text(meta+"/services/domain", "amazonaws.com")
	text(meta+"/services/partition", "aws")
	for key, value := range i.Tags {
		text(meta+"/tags/instance/"+key, value)
	}
	if len(i.UserData) > 0 {
		text("/latest/user-data", string(i.UserData))
	}
	out[meta+"/emulation"] = func() (string, error) { return document(i.Emulation) }
	out["/latest/dynamic/instance-identity/document"] = func() (string, error) {
		return document(map[string]any{"accountId": i.Account, "architecture": i.Architecture, "availabilityZone": i.Zone,
			"imageId": i.ImageID, "instanceId": i.ID, "instanceType": i.Type, "pendingTime": i.Launched.UTC().Format(time.RFC3339),
			"privateIp": i.LocalIPv4, "region": i.Region, "version": "2017-09-30"})
	}
	if i.RoleARN != "" {
		s.addRole(out, i, meta+"/iam")
	}
	return out
}

func (s *Server) addRole(out map[string]func() (string, error), i Instance, base string) {
	out[base+"/info"] = func() (string, error) {
		return document(map[string]string{"Code": "Success", "LastUpdated": i.Launched.UTC().Format(time.RFC3339),
			"InstanceProfileArn": i.ProfileARN})
	}
	role := i.RoleARN[strings.LastIndexByte(i.RoleARN, '/')+1:]
	out[base+"/security-credentials/"+role] = func() (string, error) {
		c, err := s.session(i)
		if err != nil {
			return document(map[string]string{"Code": "AssumeRoleUnauthorizedAccess", "Message": err.Error(),
				"LastUpdated": time.Now().UTC().Format(time.RFC3339)})
		}
		return document(map[string]string{"Code": "Success", "Type": "AWS-HMAC", "LastUpdated": time.Now().UTC().Format(time.RFC3339),
			"AccessKeyId": c.AccessKeyID, "SecretAccessKey": c.SecretAccessKey, "Token": c.SessionToken,
			"Expiration": c.Expires.UTC().Format(time.RFC3339)})
	}
}

// session gives the role's credentials, the same ones for half of their life, as
// EC2 does: each session that is opened is remembered until it has expired.
func (s *Server) session(i Instance) (iam.Credentials, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	if s.role == i.RoleARN && now.Before(s.renew) {
		return s.keys, nil
	}
	keys, err := s.credentials(i.RoleARN, i.ID)
	if err == nil {
		s.role, s.keys, s.renew = i.RoleARN, keys, now.Add(keys.Expires.Sub(now)/2)
	}
	return keys, err
}
