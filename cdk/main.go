// Command cdk is the CDK app behind cdk.json: `npx aws-cdk@2.1148.1 deploy` at
// the module's root builds the programs and creates everything a benchmark needs.
package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/jsii-runtime-go"
)

// defaultStack is the stack's name; `-c stack=NAME` makes another one beside it.
const defaultStack = "fairlead"

func main() {
	os.Exit(run(context.Background(), os.Stderr))
}

func run(ctx context.Context, stderr io.Writer) int {
	built, err := build(ctx, filepath.Join("cdk", "build", "programs"), stderr)
	if err != nil {
		fmt.Fprintln(stderr, "cdk:", err)
		return 1
	}
	defer jsii.Close()
	app := newApp("")
	name := defaultStack
	if given, ok := app.Node().TryGetContext(jsii.String("stack")).(string); ok && given != "" {
		name = given
	}
	newStack(app, name, built)
	app.Synth(nil)
	return 0
}

// newApp makes the app without what would put conditions, metadata or rules into
// the template. An empty folder means the one that the CDK CLI names.
func newApp(folder string) awscdk.App {
	props := &awscdk.AppProps{
		AnalyticsReporting: jsii.Bool(false),
		TreeMetadata:       jsii.Bool(false),
		DefaultStackSynthesizer: awscdk.NewDefaultStackSynthesizer(&awscdk.DefaultStackSynthesizerProps{
			// The rule is a CloudFormation parameter and an assertion on it; the CLI
			// checks the bootstrap version by itself before it deploys.
			GenerateBootstrapVersionRule: jsii.Bool(false),
		}),
	}
	if folder != "" {
		props.Outdir = jsii.String(folder)
	}
	return awscdk.NewApp(props)
}
