package host

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials/ec2rolecreds"
	"github.com/aws/aws-sdk-go-v2/feature/ec2/imds"
	"github.com/aws/aws-sdk-go-v2/service/s3"
)

// awsCommand is the instance's aws program. It does "aws s3 cp s3://… FILE"
// and nothing else: the real CLI takes a third of a second of CPU a call, and
// a fresh machine has none. Exit codes are the CLI's: 1 failed, 252 usage.
func awsCommand(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	quiet := false
	var words []string
	for n := 0; n < len(args); n++ {
		switch arg := args[n]; {
		case arg == "--only-show-errors" || arg == "--quiet" || arg == "--no-progress":
			quiet = quiet || arg != "--no-progress"
		case arg == "--region" && n+1 < len(args):
			n++ // one region is all there is
		case strings.HasPrefix(arg, "-"):
			fmt.Fprintf(stderr, "aws: option %s is not supported on an emulated instance\n", arg)
			return 252
		default:
			words = append(words, arg)
		}
	}
	if len(words) != 4 || words[0] != "s3" || words[1] != "cp" || !strings.HasPrefix(words[2], "s3://") || strings.HasPrefix(words[3], "s3://") {
		fmt.Fprintf(stderr, "aws: only \"aws s3 cp s3://BUCKET/KEY FILE\" is supported on an emulated instance, not: aws %s\n", strings.Join(words, " "))
		return 252
	}
	if err := s3Download(ctx, words[2], words[3]); err != nil {
		fmt.Fprintf(stderr, "download failed: %s to %s %v\n", words[2], words[3], err)
		return 1
	}
	if !quiet {
		fmt.Fprintf(stdout, "download: %s to %s\n", words[2], words[3])
	}
	return 0
}

func s3Download(ctx context.Context, uri, file string) (err error) {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	bucket, key, _ := strings.Cut(strings.TrimPrefix(uri, "s3://"), "/")
	if bucket == "" || key == "" || strings.HasSuffix(key, "/") {
		return errors.New("the source must name a bucket and a key")
	}
	if info, err := os.Stat(file); strings.HasSuffix(file, "/") || err == nil && info.IsDir() {
		file = filepath.Join(file, filepath.Base(key))
	}
	metadata := imds.New(imds.Options{Endpoint: os.Getenv("AWS_EC2_METADATA_SERVICE_ENDPOINT")})
	role := ec2rolecreds.New(func(o *ec2rolecreds.Options) { o.Client = metadata })
	client := s3.New(s3.Options{Region: os.Getenv("AWS_REGION"), BaseEndpoint: aws.String(os.Getenv("AWS_ENDPOINT_URL")),
		UsePathStyle: true, Credentials: aws.NewCredentialsCache(role)})
	object, err := client.GetObject(ctx, &s3.GetObjectInput{Bucket: &bucket, Key: &key})
	if err != nil {
		return err
	}
	defer object.Body.Close()
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil { // as the CLI does
		return err
	}
	part, err := os.CreateTemp(filepath.Dir(file), filepath.Base(file)+".")
	if err != nil {
		return err
	}
	_, err = io.Copy(part, object.Body)
	if err = errors.Join(err, part.Chmod(0o644), part.Close()); err != nil {
		return errors.Join(err, os.Remove(part.Name()))
	}
	return os.Rename(part.Name(), file)
}
