#!/usr/bin/env python3
"""Writes endpoint_cases.txt: where a service of a region is, as botocore's rules have it.

    python3 tests/unit/endpoint_cases.py >tests/unit/endpoint_cases.txt

A line is: service region fips dualstack bucket-or-hyphen url
"""
import botocore
from botocore.endpoint_provider import EndpointProvider
from botocore.loaders import create_loader

loader = create_loader()
partitions = loader.load_data('partitions')
regions = ['us-east-1', 'us-east-2', 'eu-central-1', 'ap-southeast-7', 'mx-central-1', 'il-central-1', 'cn-north-1',
           'cn-northwest-1', 'us-gov-west-1', 'us-gov-east-1', 'eusc-de-east-1', 'us-iso-east-1', 'us-isob-east-1',
           'eu-isoe-west-1', 'us-isof-south-1']
print(f'# Made by endpoint_cases.py with botocore {botocore.__version__}.')
for service in ('ec2', 'sts', 'ssm', 'pricing', 'ecr', 's3'):
    provider = EndpointProvider(loader.load_service_model(service, 'endpoint-rule-set-1'), partitions)
    for region in regions:
        for fips in (False, True):
            for dual in (False, True):
                for bucket in (None, 'my-bucket', 'my.bucket') if service == 's3' else (None,):
                    wish = dict(Region=region, UseFIPS=fips, UseDualStack=dual)
                    if bucket:
                        wish['Bucket'] = bucket
                    if service == 's3':
                        wish.update(UseGlobalEndpoint=False, ForcePathStyle=bool(bucket and '.' in bucket))
                    try:
                        url = provider.resolve_endpoint(**wish).url
                    except Exception as e:
                        url = 'error'
                    print(service, region, int(fips), int(dual), bucket or '-', url)
