package fakeaws

import (
	"encoding/xml"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"
)

const s3Namespace = "http://s3.amazonaws.com/doc/2006-03-01/"

func (a *Account) s3Service() *service {
	arn := func(r *request) string { return "arn:aws:s3:::" + r.labels["Bucket"] }
	return &service{
		name: "s3", protocol: restXML, namespace: s3Namespace, path: bucketPath,
		operations: map[string]operation{
			"ListBuckets":       {route: "GET /", permission: "s3:ListAllMyBuckets", handle: a.listBuckets},
			"HeadBucket":        {route: "HEAD /{Bucket}", permission: "s3:ListBucket", resource: arn, data: true, handle: a.headBucket},
			"GetBucketPolicy":   {route: "GET /{Bucket}?policy", resource: arn, handle: a.getBucketPolicy},
			"GetBucketLocation": {route: "GET /{Bucket}?location", resource: arn, handle: a.getBucketLocation},
		},
	}
}

// bucketPath routes the two forms alike: the bucket in the path, or in front of the host's name.
func bucketPath(h *http.Request) string {
	host := h.Host
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	for _, end := range []string{".localhost", ".s3.amazonaws.com"} {
		if bucket, ok := strings.CutSuffix(host, end); ok && bucket != "s3" {
			return "/" + bucket + h.URL.Path
		}
	}
	if bucket, rest, ok := strings.Cut(host, ".s3."); ok && strings.HasSuffix(rest, ".amazonaws.com") {
		return "/" + bucket + h.URL.Path
	}
	return h.URL.Path
}

type listedBucket struct {
	Name         string
	CreationDate string
	BucketRegion string `xml:",omitempty"`
	BucketArn    string `xml:",omitempty"`
}

type bucketOwner struct{ ID string }

type bucketList struct {
	XMLName           xml.Name       `xml:"http://s3.amazonaws.com/doc/2006-03-01/ ListAllMyBucketsResult"`
	Owner             bucketOwner    `xml:"Owner"`
	Buckets           []listedBucket `xml:"Buckets>Bucket"`
	ContinuationToken string         `xml:",omitempty"`
	Prefix            string         `xml:",omitempty"`
}

// listBuckets answers with all buckets, of all regions. A bucket's region is told only where the request has a
// parameter.
// See https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListBuckets.html.
func (a *Account) listBuckets(r *request) (any, error) {
	const most = 10000
	size := most
	if r.has("max-buckets") {
		var err error
		if size, err = strconv.Atoi(r.get("max-buckets")); err != nil || size < 1 || size > most {
			return nil, refuse(http.StatusBadRequest, "InvalidArgument", "Argument max-buckets must be an integer between 1 and 10000")
		}
	}
	named := r.has("max-buckets") || r.has("prefix") || r.has("bucket-region") || r.has("continuation-token")
	var all []*resource
	for _, b := range a.state.resources.buckets {
		if strings.HasPrefix(b.name, r.get("prefix")) && (!r.has("bucket-region") || r.get("bucket-region") == b.region) {
			all = append(all, b)
		}
	}
	page, next, ok := pageOf(r, all, (*resource).key, r.get("continuation-token"), size)
	if !ok {
		return nil, refuse(http.StatusBadRequest, "InvalidArgument", "The continuation token provided is incorrect")
	}
	out := bucketList{Owner: bucketOwner{ID: strings.Repeat("0", 52) + a.id}, ContinuationToken: next, Prefix: r.get("prefix")}
	for _, b := range page {
		l := listedBucket{Name: b.name, CreationDate: b.createdAt.Format(time.RFC3339)}
		if named {
			l.BucketRegion, l.BucketArn = b.region, b.arn
		}
		out.Buckets = append(out.Buckets, l)
	}
	return out, nil
}

func (a *Account) getBucketPolicy(r *request) (any, error) {
	b, err := a.bucketHere(r)
	if err != nil {
		return nil, err
	}
	if b.policy == "" {
		return nil, refuse(http.StatusNotFound, "NoSuchBucketPolicy", "The bucket policy does not exist")
	}
	return &response{raw: []byte(a.principalARNs(b.policy)), header: map[string]string{"Content-Type": "application/json"}}, nil
}

// bucketHere finds the request's bucket. A request that was signed for another region than the bucket's meets that
// region's endpoint on AWS, which answers where the bucket really is.
func (a *Account) bucketHere(r *request) (*resource, error) {
	b, err := a.bucket(r)
	if err != nil || b.region == r.region {
		return b, err
	}
	return nil, &apiError{
		status: http.StatusMovedPermanently, code: "PermanentRedirect",
		message: "The bucket you are attempting to access must be addressed using the specified endpoint. Please send all future requests to this endpoint.",
		header:  map[string]string{"X-Amz-Bucket-Region": b.region},
	}
}

func (a *Account) bucket(r *request) (*resource, error) {
	r.target = r.labels["Bucket"]
	r.requestParameters = map[string]any{"bucketName": r.target}
	for _, b := range a.state.resources.buckets {
		if b.name == r.target {
			return b, nil
		}
	}
	return nil, refuse(http.StatusNotFound, "NoSuchBucket", "The specified bucket does not exist")
}

func (a *Account) headBucket(r *request) (any, error) {
	b, err := a.bucketHere(r)
	if err != nil {
		return nil, err
	}
	return &response{header: map[string]string{"X-Amz-Bucket-Region": b.region, "X-Amz-Bucket-Arn": b.arn}}, nil
}

type locationConstraint struct {
	XMLName xml.Name `xml:"http://s3.amazonaws.com/doc/2006-03-01/ LocationConstraint"`
	Region  string   `xml:",chardata"`
}

// getBucketLocation answers from any region; us-east-1 is written as nothing.
func (a *Account) getBucketLocation(r *request) (any, error) {
	b, err := a.bucket(r)
	if err != nil {
		return nil, err
	}
	if b.region == "us-east-1" {
		return locationConstraint{}, nil
	}
	return locationConstraint{Region: b.region}, nil
}
