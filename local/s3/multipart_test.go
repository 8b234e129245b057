package s3_test

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

func TestMultipart(t *testing.T) {
	c := newCloud(t)
	client := c.operator()
	first, second := bytes.Repeat([]byte("a"), 5<<20), []byte("the end")
	key := aws.String("big")
	for _, test := range []struct {
		create awss3.CreateMultipartUploadInput
		why    string
	}{
		{awss3.CreateMultipartUploadInput{}, "parts carry CRC32 though the upload declares nothing"},
		{awss3.CreateMultipartUploadInput{ChecksumAlgorithm: types.ChecksumAlgorithmCrc32}, "composite CRC32"},
		{awss3.CreateMultipartUploadInput{ChecksumAlgorithm: types.ChecksumAlgorithmCrc32, ChecksumType: types.ChecksumTypeFullObject}, "CRC32 of the whole"},
		{awss3.CreateMultipartUploadInput{ChecksumAlgorithm: types.ChecksumAlgorithmCrc64nvme}, "CRC64NVME of the whole"},
		{awss3.CreateMultipartUploadInput{ChecksumAlgorithm: types.ChecksumAlgorithmSha256}, "composite SHA-256"},
	} {
		test.create.Bucket, test.create.Key, test.create.ContentType = aws.String("results"), key, aws.String("text/plain")
		created, err := client.CreateMultipartUpload(t.Context(), &test.create)
		if err != nil {
			t.Fatalf("%s: %v", test.why, err)
		}
		var parts []types.CompletedPart
		for i, body := range [][]byte{first, second} {
			out, err := client.UploadPart(t.Context(), &awss3.UploadPartInput{
				Bucket: aws.String("results"), Key: key, UploadId: created.UploadId, PartNumber: aws.Int32(int32(i + 1)), Body: bytes.NewReader(body),
				ChecksumAlgorithm: test.create.ChecksumAlgorithm,
			})
			if err != nil {
				t.Fatalf("%s: %v", test.why, err)
			}
			parts = append(parts, types.CompletedPart{
				PartNumber: aws.Int32(int32(i + 1)), ETag: out.ETag,
				ChecksumCRC32: out.ChecksumCRC32, ChecksumSHA256: out.ChecksumSHA256, ChecksumCRC64NVME: out.ChecksumCRC64NVME,
			})
		}
		listed, err := client.ListParts(t.Context(), &awss3.ListPartsInput{Bucket: aws.String("results"), Key: key, UploadId: created.UploadId})
		if err != nil || len(listed.Parts) != 2 || *listed.Parts[0].Size != 5<<20 {
			t.Errorf("%s: parts %+v (%v)", test.why, listed, err)
		}
		complete := &awss3.CompleteMultipartUploadInput{
			Bucket: aws.String("results"), Key: key, UploadId: created.UploadId, MultipartUpload: &types.CompletedMultipartUpload{Parts: parts[1:]},
		}
		wrong := *complete
		wrong.MultipartUpload = &types.CompletedMultipartUpload{Parts: []types.CompletedPart{parts[1], parts[0]}}
		_, err = client.CompleteMultipartUpload(t.Context(), &wrong)
		wantError(t, err, "InvalidPartOrder", "")
		wrong.MultipartUpload = &types.CompletedMultipartUpload{Parts: []types.CompletedPart{parts[0], parts[0]}}
		_, err = client.CompleteMultipartUpload(t.Context(), &wrong)
		wantError(t, err, "InvalidPartOrder", "")
		wrong.MultipartUpload = &types.CompletedMultipartUpload{Parts: []types.CompletedPart{{PartNumber: aws.Int32(1), ETag: parts[1].ETag}}}
		_, err = client.CompleteMultipartUpload(t.Context(), &wrong)
		wantError(t, err, "InvalidPart", "part 1")
		complete.MultipartUpload = &types.CompletedMultipartUpload{Parts: parts}
		done, err := client.CompleteMultipartUpload(t.Context(), complete)
		if err != nil {
			t.Fatalf("%s: %v", test.why, err)
		}
		if !strings.HasSuffix(*done.ETag, `-2"`) {
			t.Errorf("%s: ETag %s", test.why, *done.ETag)
		}
		got, err := client.GetObject(t.Context(), &awss3.GetObjectInput{Bucket: aws.String("results"), Key: key, ChecksumMode: types.ChecksumModeEnabled})
		if err != nil {
			t.Fatalf("%s: %v", test.why, err)
		}
		text, err := io.ReadAll(got.Body)
		got.Body.Close()
		if err != nil || !bytes.Equal(text, append(bytes.Clone(first), second...)) || *got.ContentType != "text/plain" {
			t.Errorf("%s: %d bytes of %s (%v)", test.why, len(text), *got.ContentType, err)
		}
		_, err = client.CompleteMultipartUpload(t.Context(), complete)
		wantError(t, err, "NoSuchUpload", "")
	}
}

func TestMultipartRefusals(t *testing.T) {
	c := newCloud(t)
	client := c.operator()
	key := aws.String("k")
	created, err := client.CreateMultipartUpload(t.Context(), &awss3.CreateMultipartUploadInput{Bucket: aws.String("results"), Key: key})
	if err != nil {
		t.Fatal(err)
	}
	var parts []types.CompletedPart
	for i := range 2 {
		out, err := client.UploadPart(t.Context(), &awss3.UploadPartInput{Bucket: aws.String("results"), Key: key, UploadId: created.UploadId, PartNumber: aws.Int32(int32(i + 1)), Body: strings.NewReader("short")})
		if err != nil {
			t.Fatal(err)
		}
		parts = append(parts, types.CompletedPart{PartNumber: aws.Int32(int32(i + 1)), ETag: out.ETag})
	}
	in := &awss3.CompleteMultipartUploadInput{Bucket: aws.String("results"), Key: key, UploadId: created.UploadId, MultipartUpload: &types.CompletedMultipartUpload{Parts: parts}}
	_, err = client.CompleteMultipartUpload(t.Context(), in)
	wantError(t, err, "EntityTooSmall", "part 1 has 5 bytes")
	in.MultipartUpload.Parts, in.MpuObjectSize = parts[:1], aws.Int64(6)
	_, err = client.CompleteMultipartUpload(t.Context(), in)
	wantError(t, err, "BadDigest", "object size")
	if err := c.service.Put("results", "k", "", nil); err != nil {
		t.Fatal(err)
	}
	in.MpuObjectSize, in.IfNoneMatch = nil, aws.String("*")
	_, err = client.CompleteMultipartUpload(t.Context(), in)
	wantError(t, err, "PreconditionFailed", "")
	if _, err := client.AbortMultipartUpload(t.Context(), &awss3.AbortMultipartUploadInput{Bucket: aws.String("results"), Key: key, UploadId: created.UploadId}); err != nil {
		t.Fatal(err)
	}
	_, err = client.UploadPart(t.Context(), &awss3.UploadPartInput{Bucket: aws.String("results"), Key: key, UploadId: created.UploadId, PartNumber: aws.Int32(1), Body: strings.NewReader("x")})
	wantError(t, err, "NoSuchUpload", "")
	_, err = client.AbortMultipartUpload(t.Context(), &awss3.AbortMultipartUploadInput{Bucket: aws.String("results"), Key: key, UploadId: aws.String("../../../etc")})
	wantError(t, err, "NoSuchUpload", "")
	for _, dir := range []string{"uploads", "staging"} {
		if left, err := os.ReadDir(filepath.Join(c.meta, "results", dir)); err != nil || len(left) != 0 {
			t.Errorf("%d files left in %s (%v)", len(left), dir, err)
		}
	}
}
