package workflows_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/sfn"
	"github.com/aws/aws-sdk-go-v2/service/sfn/types"

	"github.com/fairlead/fairlead/local/gateway"
	"github.com/fairlead/fairlead/local/iam"
	"github.com/fairlead/fairlead/local/states"
	"github.com/fairlead/fairlead/workflows"
)

// ended is how an execution went.
type ended struct {
	status, output, err, cause string
	path                       string // see path
	events                     int
	entered                    int // states, those of Map Runs apart
	begun                      time.Time
}

// run executes the machine in the world, in virtual time, and checks what must
// hold of every run.
func run(t *testing.T, w *world, input string) ended {
	t.Helper()
	return execute(t, w, workflows.Benchmark, input)
}

func execute(t *testing.T, w *world, definition, input string) (e ended) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		s, store, execution, begun := start(t, w, definition, input)
		defer s.Close()
		status, output, name, cause, err := s.Wait(t.Context(), execution)
		if err != nil {
			t.Fatal(err)
		}
		events := history(t, s, store, execution)
		e = ended{status, string(output), name, cause, path(events), len(events), 0, begun}
		for _, event := range events {
			if event.StateEnteredEventDetails != nil {
				e.entered++
			}
			if kind := string(event.Type); strings.HasSuffix(kind, "Aborted") {
				t.Errorf("%s: nothing that was started may be cancelled", kind)
			}
		}
		if err := s.Close(); err != nil { // ends the functions that outlived their tasks
			t.Error(err)
		}
		w.check(t)
	})
	return e
}

// start begins an execution. The caller closes the service.
func start(t *testing.T, w *world, definition, input string) (s *states.Service, store *iam.Store, execution string, begun time.Time) {
	t.Helper()
	store, role := machineRole(t)
	s = states.New(states.Config{Account: "000000000000", Region: "us-east-1", Invoker: w, Authorizer: store})
	arn, err := s.Create(states.Machine{Name: "benchmark", RoleARN: role, Definition: filled(definition)})
	if err == nil {
		execution, begun, err = s.Start(arn, "r1", input)
	}
	if err != nil {
		s.Close()
		t.Fatal(err)
	}
	return s, store, execution, begun
}

// filled puts function ARNs in the place of the definition's tokens.
func filled(definition string) string {
	for step := range steps {
		token := "${" + strings.ToUpper(step[:1]) + step[1:] + "Function}"
		definition = strings.ReplaceAll(definition, token, "arn:aws:lambda:us-east-1:000000000000:function:"+step)
	}
	return definition
}

// machineRole may do what the template grants the machine.
func machineRole(t *testing.T) (*iam.Store, string) {
	t.Helper()
	document := func(statements string) iam.Document {
		d, err := iam.ParseDocument([]byte(`{"Version":"2012-10-17","Statement":[` + statements + `]}`))
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	store := iam.NewStore("000000000000")
	role := iam.Role{Name: "machine", ARN: "arn:aws:iam::000000000000:role/machine",
		Trust: document(`{"Effect":"Allow","Principal":{"Service":"states.amazonaws.com"},"Action":"sts:AssumeRole"}`),
		Policies: map[string]iam.Document{"p": document(`{"Effect":"Allow","Action":"lambda:InvokeFunction","Resource":"*"},
			{"Effect":"Allow","Action":["states:StartExecution","states:DescribeExecution","states:StopExecution"],"Resource":"*"}`)}}
	if err := store.PutRole(role); err != nil {
		t.Fatal(err)
	}
	return store, role.ARN
}

// inProcess is an HTTP client that calls the handler: the test's virtual time
// stands still while anything waits for a network.
type inProcess struct{ http.Handler }

func (c inProcess) Do(r *http.Request) (*http.Response, error) {
	r.Host, r.RequestURI = r.URL.Host, r.URL.RequestURI() // as a server sees it
	answer := httptest.NewRecorder()
	c.ServeHTTP(answer, r)
	return answer.Result(), nil
}

func history(t *testing.T, s *states.Service, store *iam.Store, execution string) (events []types.HistoryEvent) {
	t.Helper()
	g := gateway.New(store, "us-east-1")
	g.Register("states", s)
	k := store.Operator()
	client := sfn.NewFromConfig(aws.Config{Region: "us-east-1", BaseEndpoint: aws.String("http://127.0.0.1"), HTTPClient: inProcess{g}, RetryMaxAttempts: 1,
		Credentials: credentials.NewStaticCredentialsProvider(k.AccessKeyID, k.SecretAccessKey, k.SessionToken)})
	pages := sfn.NewGetExecutionHistoryPaginator(client, &sfn.GetExecutionHistoryInput{
		ExecutionArn: &execution, MaxResults: 1000, IncludeExecutionData: aws.Bool(false)})
	for pages.HasMorePages() {
		page, err := pages.NextPage(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		events = append(events, page.Events...)
	}
	return events
}

// path lists the states in the order in which they were entered. Those within a
// state that runs several at once are counted: "Shards(Shard×3 ShardLost)".
func path(events []types.HistoryEvent) string {
	var out, inside []string
	within := ""
	for _, e := range events {
		if d := e.StateExitedEventDetails; d != nil && *d.Name == within {
			out = append(out, within+counted(inside))
			within, inside = "", nil
		}
		switch d := e.StateEnteredEventDetails; {
		case d == nil:
		case within != "":
			inside = append(inside, *d.Name)
		case slices.Contains([]string{"Provision", "Shards", "ShardsDistributed"}, *d.Name):
			within = *d.Name
		default:
			out = append(out, *d.Name)
		}
	}
	return strings.Join(out, " ")
}

func counted(names []string) string {
	if len(names) == 0 {
		return ""
	}
	slices.Sort(names)
	var out []string
	for _, name := range slices.Compact(slices.Clone(names)) {
		n := 0
		for _, other := range names {
			if other == name {
				n++
			}
		}
		if n > 1 {
			name = fmt.Sprintf("%s×%d", name, n)
		}
		out = append(out, name)
	}
	return "(" + strings.Join(out, " ") + ")"
}
