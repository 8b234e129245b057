package lambda

import (
	"maps"
	"slices"
	"strconv"

	"github.com/fairlead/fairlead/local/iam"
)

// environ is the whole environment of a function's process. It is built from
// nothing: no variable of the user's shell passes, or a child with the user's
// AWS_PROFILE, AWS_ENDPOINT_URL_S3 or HTTP_PROXY could reach the real AWS.
func (s *Service) environ(f *function, sb *sandbox, creds iam.Credentials) []string {
	env := maps.Clone(f.Environment)
	if env == nil {
		env = map[string]string{}
	}
	maps.Copy(env, map[string]string{
		"_HANDLER":                        f.Handler,
		"AWS_REGION":                      s.cfg.Region,
		"AWS_DEFAULT_REGION":              s.cfg.Region,
		"AWS_LAMBDA_FUNCTION_NAME":        f.Name,
		"AWS_LAMBDA_FUNCTION_MEMORY_SIZE": strconv.Itoa(f.MemorySize),
		"AWS_LAMBDA_FUNCTION_VERSION":     "$LATEST",
		"AWS_LAMBDA_INITIALIZATION_TYPE":  "on-demand",
		"AWS_LAMBDA_LOG_GROUP_NAME":       f.LogGroup,
		"AWS_LAMBDA_LOG_STREAM_NAME":      sb.stream,
		"AWS_LAMBDA_RUNTIME_API":          s.cfg.RuntimeAPI + "/" + sb.id,
		"AWS_ACCESS_KEY_ID":               creds.AccessKeyID,
		"AWS_SECRET_ACCESS_KEY":           creds.SecretAccessKey,
		"AWS_SESSION_TOKEN":               creds.SessionToken,
		"AWS_ENDPOINT_URL":                s.cfg.Endpoint,
		"AWS_CONFIG_FILE":                 "/dev/null",
		"AWS_SHARED_CREDENTIALS_FILE":     "/dev/null",
		// An SDK that finds no credentials would ask the host's metadata service.
		"AWS_EC2_METADATA_DISABLED": "true",
		"LAMBDA_TASK_ROOT":          f.bundle.dir,
		"LAMBDA_RUNTIME_DIR":        "/var/runtime",
		"LANG":                      "en_US.UTF-8",
		"TZ":                        ":UTC",
		"PATH":                      "/usr/local/bin:/usr/bin:/bin",
		"HOME":                      sb.tmp,
		"TMPDIR":                    sb.tmp,
	})
	list := make([]string, 0, len(env))
	for _, k := range slices.Sorted(maps.Keys(env)) {
		list = append(list, k+"="+env[k])
	}
	return list
}
