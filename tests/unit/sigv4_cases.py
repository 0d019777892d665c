#!/usr/bin/env python3
"""Writes sigv4_cases.txt: requests, and each stage of their signatures as botocore makes them.

    python3 tests/unit/sigv4_cases.py >tests/unit/sigv4_cases.txt

A case is lines of `name value`, ended by an empty line; a value is percent-encoded outside printable ASCII, and so is
'%' itself. A query pair's name and value are percent-encoded apart and joined by '='; a name alone has no value.
"""
import hashlib
from unittest import mock
from urllib.parse import quote
import datetime

import botocore
from botocore.auth import S3SigV4Auth, S3SigV4QueryAuth, SigV4Auth, SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

KEY = 'AKIDEXAMPLE'
SECRET = 'wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY'
TOKEN = 'IQoJb3JpZ2luX2VjE/+=//token=='
NOW = datetime.datetime(2015, 8, 30, 12, 36, 0)


def line(name, value):
    if isinstance(value, str):
        value = value.encode()
    text = ''.join(chr(b) if 32 < b < 127 and b != 37 else '%%%02X' % b for b in value)
    print(name, text)


def enc(s):
    return quote(s, safe='-_.~')


def case(title, method='GET', service='s3', region='us-east-1', host='bucket.s3.us-east-1.amazonaws.com', path='/',
         query=(), headers=(), body=b'', token=None, unsigned=False, expires=None, scheme='http', secret=SECRET, now=NOW):
    s3 = service == 's3'
    # A value of None is a name alone.
    url = scheme + '://' + host + path
    if query:
        url += '?' + '&'.join(enc(n) + ('' if v is None else '=' + enc(v)) for n, v in query)
    request = AWSRequest(method=method, url=url, data=body)
    request.headers['host'] = host
    for n, v in headers:
        request.headers.add_header(n, v)
    creds = Credentials(KEY, secret, token)
    kinds = (S3SigV4Auth, S3SigV4QueryAuth) if s3 else (SigV4Auth, SigV4QueryAuth)
    signer = kinds[1](creds, service, region, expires) if expires else kinds[0](creds, service, region)
    stages = {}

    def keep(name):
        real = getattr(signer, name)

        def wrapped(*args):
            stages[name] = real(*args)
            return stages[name]
        return wrapped
    for name in ('canonical_request', 'string_to_sign', 'signature'):
        setattr(signer, name, keep(name))
    if unsigned:
        request.context['payload_signing_enabled'] = False
    with mock.patch('botocore.auth.get_current_datetime', lambda: now):
        signer.add_auth(request)

    line('title', title)
    for name, value in (('method', method), ('service', service), ('region', region), ('path', path),
                        ('time', now.strftime('%Y%m%dT%H%M%SZ')), ('secret', secret), ('key_id', KEY)):
        line(name, value)
    if token:
        line('token', token)
    for n, v in query:
        print('query', enc(n) + ('' if v is None else '=' + enc(v)))
    for n, v in request.headers.items():
        if n != 'Authorization':
            line('header', n + ':' + v)
    # What was signed as the payload is the canonical request's last line.
    line('payload', stages['canonical_request'].rsplit('\n', 1)[1])
    line('canonical', stages['canonical_request'])
    line('to_sign', stages['string_to_sign'])
    line('signature', stages['signature'])
    if expires:
        line('expires', str(expires))
    else:
        line('authorization', request.headers['Authorization'])
    print()


ec2 = dict(service='ec2', host='ec2.us-east-1.amazonaws.com')
form = [('Content-Type', 'application/x-www-form-urlencoded; charset=utf-8')]


def key(raw):
    return '/' + quote(raw, safe='/-_.~')


print(f'# Made by sigv4_cases.py with botocore {botocore.__version__}.\n')
case('s3 get', path='/key')
case('s3 list buckets', host='s3.us-east-1.amazonaws.com')
case('s3 path style, a port', host='127.0.0.1:5000', path='/bucket/key')
case('s3 a host with port 443', host='bucket.s3.us-east-1.amazonaws.com:443', path='/k')
case('s3 IPv6 host', host='[::1]:9000', path='/bucket/key')
for name, raw in [
        ('a blank', 'a b'), ('a plus', 'a+b'), ('percent', '100%25 done%'), ('question and hash', 'what?#no'),
        ('umlaut', 'größe/ü.txt'), ('cyrillic', 'данные.csv'), ('four bytes', 'x😀y'), ('combining', 'e\u0301'),
        ('two slashes', 'a//b'), ('a slash first', '/a'), ('slashes last', 'a//'), ('dot segments', 'a/./b'),
        ('dotdot', 'a/../b'), ('dotdot first', '../b'), ('dots only', '...'), ('a dot last', 'a/.'),
        ('unreserved', "A-Za-z0-9-._~"), ('reserved', "!*'();:@&=+$,/?#[]"), ('quotes', '"`\'<>'),
        ('braces', '{}|\\^'), ('control', 'a\x01\x1f\x7fb'), ('newline and tab', 'a\n\tb'), ('NUL', 'a\0b'),
        ('equals and amp', 'date=2020-01-01&x=1'), ('semicolon', 'a;b'), ('tilde', '~root/~'),
        ('long', 'k' * 1024)]:
    case('s3 key: ' + name, path=key(raw))
case('s3 key: no UTF-8', path='/' + quote(bytes(range(128, 256)), safe='/-_.~'))
case('s3 key: every byte', path='/' + quote(bytes(range(256)), safe='/-_.~'))
case('s3 list', query=[('list-type', '2'), ('prefix', 'a/b c'), ('delimiter', '/'), ('encoding-type', 'url')])
case('s3 a name alone', method='POST', path='/key', query=[('uploads', None)])
case('s3 an empty value', method='POST', path='/key', query=[('uploads', '')])
case('s3 two names alone', query=[('versions', None), ('acl', None)])
case('query: by pairs, not strings', query=[('a', 'b'), ('a-', 'c'), ('a.', 'd'), ('a0', 'e'), ('aa', 'f')])
case('query: same name', query=[('k', 'b'), ('k', 'a'), ('k', ''), ('k', 'a b')])
case('query: capitals before small', query=[('b', '1'), ('B', '2'), ('a', '3'), ('A', '4')])
case('query: encoded order', query=[('é', '1'), ('z', '2'), ('~', '3'), ('[', '4'), ('_', '5')])
case('query: reserved', query=[('prefix', "a&b=c+d/e?f#g%h;i,j:k@l"), ('x y', ' ')])
case('query: unicode', query=[('prefix', 'größe/😀'), ('ключ', 'значение')])
case('query: continuation', query=[('continuation-token', '1ueGcxLPRx1Tr/XYExHnhbYLgveDs2J/wm36Hy4vbOwM=')])
case('query: part', method='PUT', path='/key', query=[('partNumber', '2'), ('uploadId', 'Vc._x~-')], body=b'part')
case('s3 put', method='PUT', path='/key', body=b'Hello, world')
case('s3 put nothing', method='PUT', path='/key')
case('s3 put bytes', method='PUT', path='/key', body=bytes(range(256)))
case('s3 put, payload not signed', method='PUT', path='/key', body=b'Hello', unsigned=True, scheme='https')
case('s3 delete', method='DELETE', path='/key')
case('s3 head', method='HEAD', path='/key')
case('s3 put, conditions and metadata', method='PUT', path='/k', body=b'x', headers=[
    ('If-None-Match', '*'), ('X-Amz-Meta-Nonce', 'abc'), ('x-amz-checksum-sha256', 'LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ=')])
case('s3 range', path='/k', headers=[('Range', 'bytes=0-99')])
case('s3 a token', path='/key', token=TOKEN)
case('s3 another region', path='/key', region='eu-central-1', host='bucket.s3.eu-central-1.amazonaws.com')
case('headers: blanks', headers=[('My-Header', '  a   b  '), ('Other', '\ta\t \tb\t')], **ec2)
case('headers: quoted blanks', headers=[('My-Header', '"a   b"')], **ec2)
case('headers: twice', headers=[('My-Header', 'v2'), ('My-Header', 'v1'), ('my-header', 'v3')], **ec2)
case('headers: twice with blanks', headers=[('X', ' b  b '), ('A', '1'), ('X', 'a')], **ec2)
case('headers: an empty value', headers=[('X-Empty', '')], **ec2)
case('headers: capitals', headers=[('ZETA', 'Z'), ('alpha', 'A'), ('Beta', 'b')], **ec2)
case('headers: order of - and letters', headers=[('x-a', '1'), ('x-ab', '2'), ('x-a-b', '3'), ('xa', '4')], **ec2)
case('headers: unicode', headers=[('X-Amz-Meta-Name', 'größe')], path='/k')
case('headers: commas', headers=[('X', 'a, b,c'), ('X', 'd')], **ec2)
case('headers: those on the way', headers=[
    ('User-Agent', 'furrow/1'), ('Expect', '100-continue'), ('Connection', 'close'), ('X-Amzn-Trace-Id', 'Root=1'),
    ('TE', 'trailers'), ('Transfer-Encoding', 'chunked')], **ec2)
case('ec2 a call', method='POST', headers=form, body=b'Action=DescribeInstances&Version=2016-11-15', **ec2)
case('ec2 a token', method='POST', headers=form, body=b'Action=DescribeRegions&Version=2016-11-15', token=TOKEN, **ec2)
case('ec2 a port', method='POST', service='ec2', host='127.0.0.1:5000', headers=form, body=b'Action=X')
case('ec2 an empty body', method='POST', headers=form, **ec2)
case('sts', method='POST', service='sts', host='sts.us-west-2.amazonaws.com', region='us-west-2', headers=form,
     body=b'Action=GetCallerIdentity&Version=2011-06-15')
case('ssm', method='POST', service='ssm', host='ssm.eu-west-1.amazonaws.com', region='eu-west-1', body=b'{"Name":"/a/b"}',
     headers=[('Content-Type', 'application/x-amz-json-1.1'), ('X-Amz-Target', 'AmazonSSM.GetParameter')])
for name, path in [('normal', '/a/b'), ('two slashes', '//a//b'), ('dot', '/a/./b'), ('dotdot', '/a/../b'),
                   ('above the root', '/../../b'), ('a slash last', '/a/b/'), ('dot last', '/a/.'),
                   ('dotdot last', '/a/b/..'), ('only slashes', '///'), ('encoded twice', '/a%20b/%C3%A9'),
                   ('colon', '/model/a:b/invoke'), ('percent', '/%25'), ('encoded slash', '/a%2Fb'), ('stars', '/*@+=')]:
    case('others, path: ' + name, path=path, service='execute-api', host='x.execute-api.us-east-1.amazonaws.com')
case('others, query', query=[('Param2', 'v 2'), ('Param1', 'v+1'), ('Param1', '')], **ec2)
case('another secret', path='/key', secret='a')
case('a long secret', path='/key', secret='s' * 200)
case('the end of a year', path='/key', now=datetime.datetime(1999, 12, 31, 23, 59, 59))
case('a leap day', path='/key', now=datetime.datetime(2024, 2, 29, 0, 0, 1))
case('presigned get', path='/key', expires=3600)
case('presigned get with a token', path='/key', expires=604800, token=TOKEN)
case('presigned put', method='PUT', path=key('a b/größe+%'), expires=60)
case('presigned with a port', host='127.0.0.1:5000', path='/bucket/key', expires=1)
case('presigned part', method='PUT', path='/key', query=[('uploadId', 'a/b+c='), ('partNumber', '10')], expires=900)
case('presigned with headers', method='PUT', path='/key', expires=900, headers=[
    ('x-amz-checksum-sha256', 'LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ='), ('If-None-Match', '*')])
case('presigned, dots', path='/a/../b//c', expires=900)
case('presigned, another service', service='sts', host='sts.us-east-1.amazonaws.com',
     query=[('Action', 'GetCallerIdentity'), ('Version', '2011-06-15')], expires=60)
