package fakecloud

import (
	"cmp"
	"crypto/md5"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// Bucket is how a bucket behaves.
type Bucket struct {
	// Region is the cloud's where empty.
	Region string
	// WriteOnce refuses every put without If-None-Match, as a bucket policy on s3:if-none-match does.
	WriteOnce bool
	// Lock is Object Lock's default retention in COMPLIANCE mode; none where 0. Puts then need a checksum.
	Lock time.Duration
	// KMSKey is the ARN of the key that new objects are encrypted with by default; its use shows in Calls.
	KMSKey string
	// PageSize is the most keys that a list answers with; 1,000 where 0.
	PageSize int

	name    string
	objects map[string][]Version
}

// Version is one version of an object.
type Version struct {
	Key, ID, ContentType string
	Body                 []byte
	At                   time.Time
	// RetainUntil is the end of its lock; the zero time where it has none.
	RetainUntil time.Time
	// Deleted says that it is a delete marker.
	Deleted  bool
	checksum map[string]string
}

// CreateBucket makes a bucket, or gives the one of that name other settings and keeps its objects. Versions are kept.
func (c *Cloud) CreateBucket(name string, b Bucket) {
	c.mu.Lock()
	defer c.mu.Unlock()
	b.name, b.objects = name, map[string][]Version{}
	if old := c.buckets[name]; old != nil {
		b.objects = old.objects
	}
	b.Region = cmp.Or(b.Region, c.config.Region)
	c.buckets[name] = &b
}

// SetObject writes a version of an object past all conditions, as Terraform does with the settings document, and gives
// its id.
func (c *Cloud) SetObject(bucket, key string, body []byte) (version string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.addVersion(c.buckets[bucket], Version{Key: key, Body: body, ContentType: "application/json"})
}

// MarkDeleted puts a delete marker on top of an object's versions, as somebody does who may delete.
func (c *Cloud) MarkDeleted(bucket, key string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.addVersion(c.buckets[bucket], Version{Key: key, Deleted: true})
}

// Versions are all versions of all objects of a bucket, by key, oldest first.
func (c *Cloud) Versions(bucket string) []Version {
	c.mu.Lock()
	defer c.mu.Unlock()
	b := c.buckets[bucket]
	var all []Version
	for _, key := range b.sorted(true) {
		all = append(all, b.objects[key]...)
	}
	return all
}

func (c *Cloud) addVersion(b *Bucket, v Version) string {
	v.ID, v.At = randomHex(16), c.now()
	if b.Lock > 0 && !v.Deleted {
		v.RetainUntil = v.At.Add(b.Lock)
	}
	b.objects[v.Key] = append(b.objects[v.Key], v)
	return v.ID
}

// s3 routes by method and path: /bucket or /bucket/key.
func (c *Cloud) s3(r *request) (operation, *refusal) {
	name, key, _ := strings.Cut(strings.TrimPrefix(r.http.URL.Path, "/"), "/")
	query := r.http.URL.Query()
	on := operation{resource: "arn:aws:s3:::" + name}
	if key != "" {
		on.resource += "/" + key
	}
	var do func(*request, *Bucket, string) (answer, *refusal)
	allowed := map[string]bool{"x-id": true}
	switch method := r.http.Method; {
	case name == "":
	case key == "" && method == http.MethodGet && query.Get("list-type") == "2":
		on.action, do = "s3:ListBucket", c.listObjects
		for _, p := range []string{"list-type", "prefix", "continuation-token", "max-keys", "start-after"} {
			allowed[p] = true
		}
	case key == "":
	case method == http.MethodPut:
		on.action, do = "s3:PutObject", c.putObject
	case method == http.MethodGet, method == http.MethodHead:
		on.action, do = "s3:GetObject", c.getObject
		if query.Get("versionId") != "" {
			on.action = "s3:GetObjectVersion"
		}
		allowed["versionId"] = true
	case method == http.MethodDelete:
		on.action = "s3:DeleteObject"
		if query.Get("versionId") != "" {
			on.action = "s3:DeleteObjectVersion"
		}
		allowed["versionId"] = true
		do = func(*request, *Bucket, string) (answer, *refusal) {
			return answer{}, refuse(http.StatusForbidden, "AccessDenied", "Access Denied")
		}
	}
	if do == nil || !onlyKnown(query, allowed) || unknownHeader(r.http.Header) {
		on.action = ""
		return on, refuse(http.StatusNotImplemented, "NotImplemented", "A header or query you provided requests a function that is not implemented.")
	}
	b, refused := c.bucketHere(r, name)
	if refused != nil {
		return on, refused
	}
	if b.KMSKey != "" && on.action != "s3:ListBucket" {
		action := "kms:Decrypt"
		if on.action == "s3:PutObject" {
			action = "kms:GenerateDataKey"
		}
		on.implied = []Call{{Action: action, Resource: b.KMSKey, Via: "s3"}}
	}
	on.do = func(r *request) (answer, *refusal) { return do(r, b, key) }
	return on, nil
}

func onlyKnown(query url.Values, known map[string]bool) bool {
	for name := range query {
		if !known[name] {
			return false
		}
	}
	return true
}

// unknownHeader finds what would change a request's meaning in ways that the bucket doesn't know.
func unknownHeader(h http.Header) bool {
	known := map[string]bool{
		"X-Amz-Date": true, "X-Amz-Content-Sha256": true, "X-Amz-Security-Token": true, "X-Amz-Sdk-Checksum-Algorithm": true,
		"X-Amz-Checksum-Mode": true, "X-Amz-User-Agent": true,
	}
	for name := range h {
		if strings.HasPrefix(name, "X-Amz-") && !known[name] && !strings.HasPrefix(name, "X-Amz-Checksum-") {
			return true
		}
	}
	return h.Get("Range") != "" || h.Get("If-Match") != "" || h.Get("If-Modified-Since") != "" || strings.Contains(h.Get("Content-Encoding"), "aws-chunked")
}

// bucketHere finds the bucket. A request that was signed for another region meets that region's endpoint on AWS, which
// answers where the bucket really is.
func (c *Cloud) bucketHere(r *request, name string) (*Bucket, *refusal) {
	b := c.buckets[name]
	switch {
	case b == nil:
		return nil, refuse(http.StatusNotFound, "NoSuchBucket", "The specified bucket does not exist")
	case b.Region != r.region:
		away := refuse(http.StatusMovedPermanently, "PermanentRedirect",
			"The bucket you are attempting to access must be addressed using the specified endpoint. Please send all future requests to this endpoint.")
		away.header = http.Header{"X-Amz-Bucket-Region": {b.Region}}
		return nil, away
	}
	return b, nil
}

func (c *Cloud) putObject(r *request, b *Bucket, key string) (answer, *refusal) {
	h := r.http.Header
	condition := h.Get("If-None-Match")
	switch {
	case len(key) > 1024:
		return answer{}, refuse(http.StatusBadRequest, "KeyTooLongError", "Your key is too long")
	case condition != "" && condition != "*":
		return answer{}, refuse(http.StatusNotImplemented, "NotImplemented", "A header you provided implies functionality that is not implemented.")
	case condition == "" && b.WriteOnce:
		return answer{}, refuse(http.StatusForbidden, "AccessDenied", "Access Denied")
	}
	sums, refused := checksums(h, r.body)
	if refused != nil {
		return answer{}, refused
	}
	if b.Lock > 0 && len(sums) == 0 {
		return answer{}, refuse(http.StatusBadRequest, "InvalidRequest", "Content-MD5 OR x-amz-checksum- HTTP header is required for Put Object requests with Object Lock parameters")
	}
	if versions := b.objects[key]; condition == "*" && len(versions) > 0 && !versions[len(versions)-1].Deleted {
		return answer{}, refuse(http.StatusPreconditionFailed, "PreconditionFailed", "At least one of the pre-conditions you specified did not hold")
	}
	id := c.addVersion(b, Version{Key: key, Body: r.body, ContentType: h.Get("Content-Type"), checksum: sums})
	out := answer{header: http.Header{"X-Amz-Version-Id": {id}, "Etag": {etag(r.body)}}}
	b.encryption(out.header)
	for name, sum := range sums {
		if strings.HasPrefix(name, "X-Amz-") {
			out.header.Set(name, sum)
		}
	}
	return out, nil
}

func (c *Cloud) getObject(r *request, b *Bucket, key string) (answer, *refusal) {
	versions := b.objects[key]
	v, found := Version{}, false
	if want := r.http.URL.Query().Get("versionId"); want != "" {
		for _, one := range versions {
			if one.ID == want {
				v, found = one, true
			}
		}
		if !found {
			return answer{}, refuse(http.StatusNotFound, "NoSuchVersion", "The specified version does not exist.")
		}
	} else if len(versions) > 0 {
		v, found = versions[len(versions)-1], true
	}
	if !found || v.Deleted {
		missing := refuse(http.StatusNotFound, "NoSuchKey", "The specified key does not exist.")
		if found {
			missing.header = http.Header{"X-Amz-Delete-Marker": {"true"}, "X-Amz-Version-Id": {v.ID}}
		}
		return answer{}, missing
	}
	out := answer{body: v.Body, header: http.Header{
		"X-Amz-Version-Id": {v.ID}, "Etag": {etag(v.Body)}, "Content-Type": {cmp.Or(v.ContentType, "binary/octet-stream")},
		"Last-Modified": {v.At.Format(http.TimeFormat)}, "Content-Length": {strconv.Itoa(len(v.Body))},
	}}
	b.encryption(out.header)
	if r.http.Header.Get("X-Amz-Checksum-Mode") == "ENABLED" {
		for name, sum := range v.checksum {
			if strings.HasPrefix(name, "X-Amz-") {
				out.header.Set(name, sum)
			}
		}
	}
	return out, nil
}

func (b *Bucket) encryption(h http.Header) {
	if b.KMSKey != "" {
		h.Set("X-Amz-Server-Side-Encryption", "aws:kms")
		h.Set("X-Amz-Server-Side-Encryption-Aws-Kms-Key-Id", b.KMSKey)
		return
	}
	h.Set("X-Amz-Server-Side-Encryption", "AES256")
}

func etag(body []byte) string {
	sum := md5.Sum(body)
	return fmt.Sprintf("%q", hex.EncodeToString(sum[:]))
}
