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

func main() {
	os.Exit(run(context.Background(), os.Stderr))
}

func run(ctx context.Context, stderr io.Writer) int {
	app := newApp("")
	defer jsii.Close()
	given, _ := app.Node().GetAllContext(nil).(map[string]any)
	o, err := parseOptions(given)
	if err != nil {
		fmt.Fprintln(stderr, err)
		return 1
	}
	built, err := build(ctx, filepath.Join("cdk", "build", "programs"), stderr)
	if err != nil {
		fmt.Fprintln(stderr, "cdk:", err)
		return 1
	}
	newStack(app, o, built)
	app.Synth(nil)
	return 0
}

// newApp makes the app without what would put metadata into the template. An
// empty folder means the one that the CDK CLI names.
func newApp(folder string) awscdk.App {
	props := &awscdk.AppProps{
		AnalyticsReporting: jsii.Bool(false),
		TreeMetadata:       jsii.Bool(false),
	}
	if folder != "" {
		props.Outdir = jsii.String(folder)
	}
	return awscdk.NewApp(props)
}
