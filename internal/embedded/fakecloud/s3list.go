package fakecloud

import (
	"crypto/md5"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/xml"
	"hash/crc32"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

type listedObject struct {
	Key, LastModified, ETag string
	Size                    int
	StorageClass            string
}

type objectList struct {
	XMLName               xml.Name `xml:"http://s3.amazonaws.com/doc/2006-03-01/ ListBucketResult"`
	Name, Prefix          string
	KeyCount, MaxKeys     int
	IsTruncated           bool
	ContinuationToken     string         `xml:",omitempty"`
	NextContinuationToken string         `xml:",omitempty"`
	Contents              []listedObject `xml:"Contents"`
}

const tokenMark = "after "

// listObjects answers in the order of the keys' bytes. See
// https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectsV2.html.
func (c *Cloud) listObjects(r *request, b *Bucket, _ string) (answer, *refusal) {
	query := r.http.URL.Query()
	size := 1000
	if b.PageSize > 0 {
		size = min(size, b.PageSize)
	}
	asked := 1000
	if s := query.Get("max-keys"); s != "" {
		var err error
		if asked, err = strconv.Atoi(s); err != nil || asked < 0 {
			return answer{}, refuse(http.StatusBadRequest, "InvalidArgument", "Provided max-keys not an integer or within integer range")
		}
		size = min(size, asked)
	}
	after := query.Get("start-after")
	if query.Has("continuation-token") {
		token, err := base64.StdEncoding.DecodeString(query.Get("continuation-token"))
		from, ok := strings.CutPrefix(string(token), tokenMark)
		if err != nil || !ok {
			return answer{}, refuse(http.StatusBadRequest, "InvalidArgument", "The continuation token provided is incorrect")
		}
		after = from
	}
	out := objectList{Name: b.name, Prefix: query.Get("prefix"), MaxKeys: min(asked, 1000), ContinuationToken: query.Get("continuation-token")}
	for _, key := range b.sorted(false) {
		if !strings.HasPrefix(key, out.Prefix) || key <= after && after != "" {
			continue
		}
		if len(out.Contents) == size {
			out.IsTruncated = size > 0
			break
		}
		versions := b.objects[key]
		v := versions[len(versions)-1]
		out.Contents = append(out.Contents, listedObject{key, v.At.Format("2006-01-02T15:04:05.000Z"), etag(v.Body), len(v.Body), "STANDARD"})
	}
	out.KeyCount = len(out.Contents)
	if out.IsTruncated {
		out.NextContinuationToken = base64.StdEncoding.EncodeToString([]byte(tokenMark + out.Contents[out.KeyCount-1].Key))
	}
	return asXML(out), nil
}

// sorted are the bucket's keys, with or without those under a delete marker.
func (b *Bucket) sorted(deleted bool) []string {
	var keys []string
	for key, versions := range b.objects {
		if deleted || !versions[len(versions)-1].Deleted {
			keys = append(keys, key)
		}
	}
	slices.Sort(keys)
	return keys
}

// checksums are those that the request brings, which must be right.
func checksums(h http.Header, body []byte) (map[string]string, *refusal) {
	of256, ofMD5 := sha256.Sum256(body), md5.Sum(body)
	known := map[string][]byte{
		"X-Amz-Checksum-Sha256": of256[:],
		"X-Amz-Checksum-Crc32":  binary.BigEndian.AppendUint32(nil, crc32.ChecksumIEEE(body)),
		"X-Amz-Checksum-Crc32c": binary.BigEndian.AppendUint32(nil, crc32.Checksum(body, crc32.MakeTable(crc32.Castagnoli))),
		"Content-Md5":           ofMD5[:],
	}
	found := map[string]string{}
	for name := range h {
		if !strings.HasPrefix(name, "X-Amz-Checksum-") && name != "Content-Md5" {
			continue
		}
		sum, ok := known[name]
		if !ok {
			return nil, refuse(http.StatusNotImplemented, "NotImplemented", "A header you provided implies functionality that is not implemented.")
		}
		if h.Get(name) != base64.StdEncoding.EncodeToString(sum) {
			return nil, refuse(http.StatusBadRequest, "BadDigest", "The %s you specified did not match the calculated checksum.", strings.TrimPrefix(name, "X-Amz-Checksum-"))
		}
		found[name] = h.Get(name)
	}
	if algorithm := h.Get("X-Amz-Sdk-Checksum-Algorithm"); algorithm != "" && h.Get("X-Amz-Checksum-"+algorithm) == "" {
		return nil, refuse(http.StatusBadRequest, "InvalidRequest", "x-amz-sdk-checksum-algorithm specified, but no corresponding x-amz-checksum-* or x-amz-trailer headers were found.")
	}
	return found, nil
}
