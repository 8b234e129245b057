package lambda

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/fairlead/fairlead/local/gateway"
)

var _ gateway.Service = (*Service)(nil)

// ServeAWS answers the REST API: Invoke, GetFunction, GetFunctionConfiguration,
// ListFunctions and GetAccountSettings. Everything else is refused by name.
func (s *Service) ServeAWS(w http.ResponseWriter, r *gateway.Request) {
	err := s.route(w, r)
	if err != nil {
		gateway.WriteError(w, r, err)
	}
}

func (s *Service) route(w http.ResponseWriter, r *gateway.Request) error {
	path := strings.Split(strings.Trim(r.HTTP.URL.EscapedPath(), "/"), "/")
	for i, p := range path {
		var err error
		if path[i], err = url.PathUnescape(p); err != nil {
			return invalid("path element %q: %v", p, err)
		}
	}
	if err := onlyHeaders(r); err != nil {
		return err
	}
	get := r.HTTP.Method == http.MethodGet
	switch {
	case get && slices.Equal(path, []string{"2016-08-19", "account-settings"}):
		return s.accountSettings(w, r)
	case path[0] != "2015-03-31" || len(path) < 2 || path[1] != "functions":
	case get && len(path) == 2:
		return s.listFunctions(w, r)
	case get && len(path) == 3:
		return s.getFunction(w, r, path[2], "lambda:GetFunction")
	case get && len(path) == 4 && path[3] == "configuration":
		return s.getFunction(w, r, path[2], "lambda:GetFunctionConfiguration")
	case r.HTTP.Method == http.MethodPost && len(path) == 4 && path[3] == "invocations":
		return s.invoke(w, r, path[2])
	}
	return gateway.UnknownOperation(r, r.HTTP.Method+" "+r.HTTP.URL.Path)
}

func (s *Service) invoke(w http.ResponseWriter, r *gateway.Request, name string) error {
	if err := onlyQuery(r, "Qualifier"); err != nil {
		return err
	}
	name, err := s.authorize(r, "lambda:InvokeFunction", name)
	if err != nil {
		return err
	}
	tail := false
	switch v := r.HTTP.Header.Get("X-Amz-Log-Type"); v {
	case "", "None":
	case "Tail":
		tail = true
	default:
		return invalid("Value '%s' at 'logType' failed to satisfy constraint: Member must satisfy enum value set: [None, Tail]", v)
	}
	in := Invocation{Function: name, Payload: r.Body}
	switch v := r.HTTP.Header.Get("X-Amz-Invocation-Type"); v {
	case "", "RequestResponse":
	case "Event":
		id, err := s.InvokeAsync(in)
		if err != nil {
			return err
		}
		w.Header().Set("X-Amzn-Requestid", id)
		w.WriteHeader(http.StatusAccepted)
		return nil
	case "DryRun":
		if _, err := s.find(name); err != nil {
			return err
		}
		w.Header().Set("X-Amzn-Requestid", r.ID)
		w.WriteHeader(http.StatusNoContent)
		return nil
	default:
		return invalid("Value '%s' at 'invocationType' failed to satisfy constraint: Member must satisfy enum value set: [Event, RequestResponse, DryRun]", v)
	}
	res, err := s.Invoke(r.HTTP.Context(), in)
	if err != nil {
		return err
	}
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("X-Amzn-Requestid", res.RequestID)
	h.Set("X-Amz-Executed-Version", "$LATEST")
	if res.FunctionError != "" {
		h.Set("X-Amz-Function-Error", res.FunctionError)
	}
	if tail {
		h.Set("X-Amz-Log-Result", base64.StdEncoding.EncodeToString(res.LogTail))
	}
	_, _ = w.Write(res.Payload) // the caller may have gone
	return nil
}

// authorize asks for the action on the function as the caller named it, before
// it is known whether the function exists, and returns the whole name.
func (s *Service) authorize(r *gateway.Request, action, name string) (string, error) {
	if q := r.HTTP.URL.Query().Get("Qualifier"); q != "" {
		name += ":" + q
	}
	arn := name
	if !strings.HasPrefix(name, "arn:") {
		short := name
		if _, after, partial := strings.Cut(name, ":function:"); partial {
			short = after
		}
		arn = s.arn(short)
	}
	return name, r.Authorize(action, arn, nil)
}

// configuration is FunctionConfiguration of the API reference.
type configuration struct {
	FunctionName     string
	FunctionArn      string
	Description      string
	Runtime          string
	Role             string
	Handler          string
	CodeSize         int64
	CodeSha256       string
	Timeout          int // seconds
	MemorySize       int // MB
	LastModified     string
	Version          string
	RevisionId       string
	State            string
	LastUpdateStatus string
	PackageType      string
	Architectures    []string
	Environment      *variables `json:",omitempty"`
	VpcConfig        *vpcConfig `json:",omitempty"`
	TracingConfig    struct{ Mode string }
	EphemeralStorage struct{ Size int }
	LoggingConfig    struct{ LogFormat, LogGroup string }
}

type variables struct{ Variables map[string]string }

type vpcConfig struct{ SubnetIds, SecurityGroupIds []string }

func (fn *function) configuration() configuration {
	c := configuration{
		FunctionName: fn.Name, FunctionArn: fn.arn, Description: fn.Description, Runtime: fn.Runtime,
		Role: fn.Role, Handler: fn.Handler, CodeSize: fn.bundle.size, CodeSha256: fn.bundle.sha256,
		Timeout: int(fn.Timeout.Seconds()), MemorySize: fn.MemorySize,
		LastModified: fn.modified.UTC().Format("2006-01-02T15:04:05.000+0000"), Version: "$LATEST", RevisionId: fn.revision,
		State: "Active", LastUpdateStatus: "Successful", PackageType: "Zip", Architectures: fn.Architectures,
	}
	c.TracingConfig.Mode = fn.Tracing
	c.EphemeralStorage.Size = 512
	c.LoggingConfig.LogFormat, c.LoggingConfig.LogGroup = "Text", fn.LogGroup
	if len(fn.Environment) > 0 {
		c.Environment = &variables{fn.Environment}
	}
	if fn.VPC != nil {
		c.VpcConfig = &vpcConfig{fn.VPC.Subnets, fn.VPC.SecurityGroups}
	}
	return c
}

func (s *Service) getFunction(w http.ResponseWriter, r *gateway.Request, name, action string) error {
	if err := onlyQuery(r, "Qualifier"); err != nil {
		return err
	}
	name, err := s.authorize(r, action, name)
	if err != nil {
		return err
	}
	fn, err := s.find(name)
	if err != nil {
		return err
	}
	if action == "lambda:GetFunctionConfiguration" {
		return writeJSON(w, r, fn.configuration())
	}
	type code struct{ RepositoryType, Location string }
	return writeJSON(w, r, struct {
		Configuration configuration
		Code          code
	}{fn.configuration(), code{"S3", "file://" + fn.bundle.dir}})
}

func (s *Service) listFunctions(w http.ResponseWriter, r *gateway.Request) error {
	if err := onlyQuery(r, "Marker", "MaxItems"); err != nil {
		return err
	}
	if err := r.Authorize("lambda:ListFunctions", "*", nil); err != nil {
		return err
	}
	q := r.HTTP.URL.Query()
	limit := 50
	if v := q.Get("MaxItems"); v != "" {
		n, err := strconv.Atoi(v)
		if err != nil || n < 1 {
			return invalid("Value '%s' at 'maxItems' failed to satisfy constraint: Member must be between 1 and 10000", v)
		}
		limit = min(n, limit)
	}
	out := struct {
		Functions  []configuration
		NextMarker *string `json:",omitempty"`
	}{Functions: []configuration{}}
	for _, fn := range s.list() {
		if fn.Name <= q.Get("Marker") {
			continue
		}
		if len(out.Functions) == limit {
			out.NextMarker = &out.Functions[limit-1].FunctionName
			break
		}
		out.Functions = append(out.Functions, fn.configuration())
	}
	return writeJSON(w, r, out)
}

func (s *Service) accountSettings(w http.ResponseWriter, r *gateway.Request) error {
	if err := onlyQuery(r); err != nil {
		return err
	}
	if err := r.Authorize("lambda:GetAccountSettings", "*", nil); err != nil {
		return err
	}
	var out struct {
		AccountLimit struct {
			CodeSizeUnzipped, CodeSizeZipped, TotalCodeSize      int64
			ConcurrentExecutions, UnreservedConcurrentExecutions int
		}
		AccountUsage struct{ FunctionCount, TotalCodeSize int64 }
	}
	out.AccountLimit.CodeSizeUnzipped = maxUnzipped
	out.AccountLimit.CodeSizeZipped = 50 << 20
	out.AccountLimit.TotalCodeSize = 75 << 30
	out.AccountLimit.ConcurrentExecutions = s.cfg.Concurrency
	out.AccountLimit.UnreservedConcurrentExecutions = s.cfg.Concurrency
	for _, fn := range s.list() {
		out.AccountUsage.FunctionCount++
		out.AccountUsage.TotalCodeSize += fn.bundle.size
	}
	return writeJSON(w, r, out)
}

// onlyQuery refuses query parameters that are not implemented.
func onlyQuery(r *gateway.Request, names ...string) error {
	for k := range r.HTTP.URL.Query() {
		if !slices.Contains(names, k) {
			return invalid("the parameter %s is not implemented", k)
		}
	}
	return nil
}

// known are the amz headers of signatures, of the SDKs' bookkeeping, and of Invoke.
var known = []string{
	"X-Amz-Date", "X-Amz-Security-Token", "X-Amz-Content-Sha256", "X-Amz-User-Agent",
	"X-Amz-Invocation-Type", "X-Amz-Log-Type",
}

// onlyHeaders refuses the others, such as a client context or a tenant.
func onlyHeaders(r *gateway.Request) error {
	for name := range r.HTTP.Header {
		if strings.HasPrefix(name, "X-Amz-") && !slices.Contains(known, name) {
			return invalid("the header %s is not implemented", name)
		}
	}
	return nil
}

func writeJSON(w http.ResponseWriter, r *gateway.Request, out any) error {
	b, err := json.Marshal(out)
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("X-Amzn-Requestid", r.ID)
	_, _ = w.Write(b) // the caller may have gone
	return nil
}
