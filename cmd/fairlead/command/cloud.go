package command

import (
	"errors"
	"fmt"
	"regexp"

	"github.com/spf13/cobra"
)

// Account says on which AWS account a run goes.
type Account struct {
	Stack    string
	Region   string // empty: as the AWS configuration has it
	Profile  string // likewise
	Endpoint string // URL of all services; empty: AWS's, or AWS_ENDPOINT_URL
}

// DefaultStack is the stack's name where none is given, as in cdk/main.go.
const DefaultStack = "fairlead"

// stackName is CloudFormation's own rule.
var stackName = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9-]{0,127}$`)

// accountFlags adds --aws and what belongs to it.
func accountFlags(cmd *cobra.Command, on *bool, a *Account) {
	cmd.Flags().BoolVar(on, "aws", false, "run in the AWS account, on the stack that cdk deploy made")
	cmd.Flags().StringVar(&a.Stack, "stack", DefaultStack, "with --aws: name of the stack")
	cmd.Flags().StringVar(&a.Region, "region", "", "with --aws: region of the stack (default: as the aws CLI has it)")
	cmd.Flags().StringVar(&a.Profile, "profile", "", "with --aws: profile of the AWS configuration")
	cmd.Flags().StringVar(&a.Endpoint, "endpoint-url", "", "with --aws: endpoint of all services, such as that of fairlead serve")
}

// checkAccount reports flags that contradict each other, all at once.
func checkAccount(cmd *cobra.Command, on bool, a Account) error {
	var problems []error
	if !on {
		for _, name := range []string{"stack", "region", "profile", "endpoint-url"} {
			if cmd.Flags().Changed(name) {
				problems = append(problems, fmt.Errorf("--%s is for runs in an account: add --aws, or leave it out", name))
			}
		}
	} else {
		for _, name := range []string{"delays", "verbose"} {
			if cmd.Flags().Changed(name) {
				problems = append(problems, fmt.Errorf("--%s is of the local AWS: leave it out, or leave out --aws", name))
			}
		}
		if !stackName.MatchString(a.Stack) {
			problems = append(problems, fmt.Errorf("--stack %q: use the name given to cdk deploy, letters, digits and hyphens, a letter first", a.Stack))
		}
	}
	if len(problems) > 0 {
		return badInput{errors.Join(problems...)}
	}
	return nil
}
