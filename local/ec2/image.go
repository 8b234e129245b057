package ec2

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"

	"github.com/fairlead/fairlead/local/gateway"
)

// image is a machine image. None has content here: an instance runs on this
// machine's own system. The id and the architecture are what counts.
type image struct {
	id, architecture, name string
}

// al2023 is where AWS publishes the newest Amazon Linux 2023 images.
const al2023 = "/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-"

// images are those that public parameters name, by the parameter.
func images(region string) map[string]image {
	all := map[string]image{}
	for _, architecture := range []string{"x86_64", "arm64"} {
		sum := sha256.Sum256([]byte(region + architecture))
		all[al2023+architecture] = image{"ami-" + hex.EncodeToString(sum[:])[:17], architecture, "al2023-ami-" + architecture}
	}
	return all
}

// PublicParameters are the SSM parameters that AWS publishes and the local
// cloud knows, with their values: image ids.
func PublicParameters(region string) map[string]string {
	all := map[string]string{}
	for name, i := range images(region) {
		all[name] = i.id
	}
	return all
}

// image resolves an ImageId, which may name a public parameter. Reading the
// parameter needs ssm:GetParameters, as when EC2 resolves it for the caller.
func (s *Service) image(r *gateway.Request, id string) (image, error) {
	all := images(s.config.Region)
	if name, ok := strings.CutPrefix(id, "resolve:ssm:"); ok {
		if err := r.Authorize("ssm:GetParameters", "arn:aws:ssm:"+s.config.Region+"::parameter"+name, nil); err != nil {
			return image{}, err
		}
		i, ok := all[name]
		if !ok {
			return image{}, fail("InvalidAMIID.NotFound", "The SSM parameter '%s' is not one that the local cloud knows", name)
		}
		return i, nil
	}
	for _, i := range all {
		if i.id == id {
			return i, nil
		}
	}
	if !strings.HasPrefix(id, "ami-") {
		return image{}, fail("InvalidAMIID.Malformed", "Invalid id: \"%s\" (expecting \"ami-...\")", id)
	}
	return image{}, fail("InvalidAMIID.NotFound", "The image id '[%s]' does not exist", id)
}
