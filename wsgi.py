"""The web process: gunicorn 'wsgi:create_app()'."""
