// Package bucket keeps objects in an S3 bucket, each key written once.
//
// Put asks S3 itself to refuse a key that is taken (If-None-Match: *), so that of many writers one wins without a lock; the
// bucket's policy should demand that condition, and Object Lock keep what was written. See
// https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html.
//
// A role that reads needs s3:ListBucket on the bucket beside s3:GetObject. Without it S3 answers 403 for a key that isn't
// there, which is reported as AccessDenied and never as missing: nobody may conclude anything from what can't be read.
package bucket

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/iam-sunset/iam-sunset/internal/awsfault"
	"github.com/iam-sunset/iam-sunset/internal/clock"
	"github.com/iam-sunset/iam-sunset/internal/store"
	"github.com/iam-sunset/iam-sunset/internal/sunset"
)

const (
	// A conflict is over when the other writer is done, which takes as long as one small upload.
	conflicts    = 6
	firstBackOff = 50 * time.Millisecond
	// A body that breaks off or fails its checksum says nothing about load, so it is read again at once.
	reads = 3
)

// Objects is a bucket as store.Objects. Its faults name the S3 action.
type Objects struct {
	client *s3.Client
	bucket string
	clock  clock.Clock
}

var _ store.Objects = (*Objects)(nil)

// New keeps objects in bucket. What waits for another writer waits on c.
func New(client *s3.Client, bucket string, c clock.Clock) *Objects {
	return &Objects{client, bucket, c}
}

// Put writes an object; ErrExists where the key is taken, whatever its content. ErrExists may mean this very write: where
// S3's answer is lost, the SDK sends it again and finds its own object. A caller who has to know reads it back.
// An Unavailable fault leaves open whether the object was written.
func (o *Objects) Put(ctx context.Context, key string, body []byte) error {
	if err := store.CheckKey(key); err != nil {
		return fmt.Errorf("writing an object: %w", err)
	}
	wait := firstBackOff
	for range conflicts {
		_, err := o.client.PutObject(ctx, &s3.PutObjectInput{
			Bucket: &o.bucket, Key: &key, Body: bytes.NewReader(body), ContentType: aws.String("application/json"),
			IfNoneMatch: aws.String("*"),
			// A bucket with Object Lock takes no object without a checksum, whatever the client's settings are.
			ChecksumAlgorithm: types.ChecksumAlgorithmSha256,
		})
		switch status(err) {
		case http.StatusPreconditionFailed:
			return fmt.Errorf("writing object %s: %w", key, store.ErrExists)
		case http.StatusConflict:
			// Another write of the key is under way: S3 says 409 ConditionalRequestConflict, and who will win is open.
			if err := o.clock.Sleep(ctx, wait); err != nil {
				return sunset.Faultf(sunset.Unavailable, "writing object %s: %w", key, err)
			}
			wait *= 2
			continue
		}
		return awsfault.Wrap(err, "s3:PutObject", "writing object %s in bucket %s", key, o.bucket)
	}
	return &sunset.Fault{
		Kind: sunset.Unavailable, Action: "s3:PutObject",
		Err: fmt.Errorf("writing object %s in bucket %s: others were writing it %d times in a row; try again", key, o.bucket, conflicts),
	}
}

// Get reads an object; ErrMissing where there never was one. One that somebody deleted is no missing one, but a fault: what
// was written once doesn't go by itself.
func (o *Objects) Get(ctx context.Context, key string) ([]byte, error) {
	if err := store.CheckKey(key); err != nil {
		return nil, fmt.Errorf("reading an object: %w", err)
	}
	body, _, err := read(ctx, o.client, o.bucket, key)
	return body, err
}

// List gives all keys that begin with prefix, sorted.
func (o *Objects) List(ctx context.Context, prefix string) ([]string, error) {
	in := &s3.ListObjectsV2Input{Bucket: &o.bucket, Prefix: &prefix}
	var keys []string
	for {
		page, err := o.client.ListObjectsV2(ctx, in)
		if err != nil {
			return nil, awsfault.Wrap(err, "s3:ListBucket", "listing %s… in bucket %s", prefix, o.bucket)
		}
		for _, object := range page.Contents {
			keys = append(keys, aws.ToString(object.Key))
		}
		if !aws.ToBool(page.IsTruncated) {
			slices.Sort(keys) // S3 sorts them so already; see ListObjectsV2's page
			return keys, nil
		}
		if aws.ToString(page.NextContinuationToken) == "" {
			return nil, sunset.Faultf(sunset.Unavailable, "listing %s… in bucket %s: S3 says that there is more, but not where", prefix, o.bucket)
		}
		in.ContinuationToken = page.NextContinuationToken
	}
}

// Document reads the document at uri, "s3://bucket/key", and says which version of it that was (empty where the bucket keeps
// no versions). A uri of another form and a document that isn't there are Invalid faults.
func Document(ctx context.Context, client *s3.Client, uri string) (body []byte, version string, err error) {
	path, ok := strings.CutPrefix(uri, "s3://")
	bucket, key, found := strings.Cut(path, "/")
	if !ok || !found || bucket == "" || key == "" {
		return nil, "", sunset.Faultf(sunset.Invalid, "reading the document %q: write it as s3://bucket/key", uri)
	}
	body, version, err = read(ctx, client, bucket, key)
	if errors.Is(err, store.ErrMissing) {
		err = sunset.Faultf(sunset.Invalid, "reading the document %s: %w", uri, store.ErrMissing)
	}
	return body, version, err
}

// read gives the whole of an object, as its checksum says that it is, or nothing.
func read(ctx context.Context, client *s3.Client, bucket, key string) (body []byte, version string, err error) {
	var cut error
	for range reads {
		out, err := client.GetObject(ctx, &s3.GetObjectInput{Bucket: &bucket, Key: &key, ChecksumMode: types.ChecksumModeEnabled})
		if err != nil {
			return nil, "", notRead(err, bucket, key)
		}
		body, err := io.ReadAll(out.Body)
		if err = errors.Join(err, out.Body.Close()); err == nil {
			return body, aws.ToString(out.VersionId), nil
		}
		cut = err
	}
	return nil, "", &sunset.Fault{
		Kind: sunset.Unavailable, Action: "s3:GetObject",
		Err: fmt.Errorf("reading object %s in bucket %s: it broke off or came changed, %d times in a row: %w", key, bucket, reads, cut),
	}
}

func notRead(err error, bucket, key string) error {
	if awsfault.Code(err) != "NoSuchKey" {
		return awsfault.Wrap(err, "s3:GetObject", "reading object %s in bucket %s", key, bucket)
	}
	var response *awshttp.ResponseError
	if errors.As(err, &response) && response.HTTPResponse().Header.Get("X-Amz-Delete-Marker") == "true" {
		return &sunset.Fault{
			Kind: sunset.Internal, Action: "s3:GetObject",
			Err: fmt.Errorf("reading object %s in bucket %s: somebody deleted it; its earlier versions are there still", key, bucket),
		}
	}
	return fmt.Errorf("reading object %s in bucket %s: %w", key, bucket, store.ErrMissing)
}

// status is the HTTP status that an error came with, or 0.
func status(err error) int {
	var response *awshttp.ResponseError
	if errors.As(err, &response) {
		return response.HTTPStatusCode()
	}
	return 0
}
