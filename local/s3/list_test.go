package s3_test

import (
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

func TestListing(t *testing.T) {
	c := newCloud(t)
	client := c.operator()
	for _, key := range []string{"a-b", "a/b", "a/c/d", "a/c/e", "a0", "b c+d", "z"} {
		if err := c.service.Put("results", key, "", []byte(key)); err != nil {
			t.Fatal(err)
		}
	}
	for _, test := range []struct {
		prefix, delimiter, after string
		want                     string
		why                      string
	}{
		{"", "", "", "a-b a/b a/c/d a/c/e a0 b c+d z", "the order is that of the bytes, not of directories"},
		{"", "/", "", "a-b a/| a0 b c+d z", "keys below a slash become one prefix"},
		{"a/", "/", "", "a/b a/c/|", "the prefix is not rolled up itself"},
		{"a", "", "", "a-b a/b a/c/d a/c/e a0", "a prefix is text, not a directory"},
		{"a/c", "/", "", "a/c/|", "a prefix within a directory's name"},
		{"a/c/d", "", "", "a/c/d", "a whole key"},
		{"a", "c", "", "a-b a/b a/c| a0", "any text can be the delimiter"},
		{"", "", "a/c/d", "a/c/e a0 b c+d z", "after a key"},
		{"", "/", "a/b", "a/| a0 b c+d z", "after a key of a prefix, the prefix still has others"},
		{"x/", "", "", "", "no such directory"},
		{"../", "", "", "", "no way out"},
		{"a//", "", "", "", "no such key"},
		{"z/", "", "", "", "an object is no directory"},
	} {
		for _, page := range []int32{1, 2, 1000} {
			var got []string
			pages := awss3.NewListObjectsV2Paginator(client, &awss3.ListObjectsV2Input{
				Bucket: aws.String("results"), Prefix: &test.prefix, Delimiter: &test.delimiter, StartAfter: &test.after, MaxKeys: &page,
			})
			for pages.HasMorePages() {
				out, err := pages.NextPage(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				// Within a page keys and prefixes come apart: merge them again.
				for len(out.Contents)+len(out.CommonPrefixes) > 0 {
					if len(out.CommonPrefixes) == 0 || len(out.Contents) > 0 && *out.Contents[0].Key < *out.CommonPrefixes[0].Prefix {
						got = append(got, *out.Contents[0].Key)
						if *out.Contents[0].Size != int64(len(*out.Contents[0].Key)) || len(*out.Contents[0].ETag) != 34 {
							t.Errorf("listed %+v", out.Contents[0])
						}
						out.Contents = out.Contents[1:]
						continue
					}
					got = append(got, *out.CommonPrefixes[0].Prefix+"|")
					out.CommonPrefixes = out.CommonPrefixes[1:]
				}
			}
			if have := strings.Join(got, " "); have != test.want {
				t.Errorf("%s: prefix %q delimiter %q after %q, %d a page: got %q, want %q", test.why, test.prefix, test.delimiter, test.after, page, have, test.want)
			}
		}
	}
	out, err := client.ListObjects(t.Context(), &awss3.ListObjectsInput{Bucket: aws.String("results"), Delimiter: aws.String("/"), MaxKeys: aws.Int32(2), EncodingType: types.EncodingTypeUrl})
	if err != nil || len(out.Contents) != 1 || *out.NextMarker != "a/" {
		t.Errorf("version 1: %+v (%v)", out, err)
	}
}
